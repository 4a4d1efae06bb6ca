"""The statuses that brokers use, and the path of a new account through them."""

NEW_CONTACT = "NEW_CONTACT"
CONTACTED = "CONTACTED"
NEED_ANALYSIS = "NEED_ANALYSIS"
READY_TO_DEPOSIT = "READY_TO_DEPOSIT"
NO_POTENTIAL = "NO_POTENTIAL"
ACTIVE_CLIENT = "ACTIVE_CLIENT"
SEEN = (NEW_CONTACT, CONTACTED, NEED_ANALYSIS, READY_TO_DEPOSIT, NO_POTENTIAL, ACTIVE_CLIENT)

CLIENT_PATH = (NEW_CONTACT, CONTACTED, READY_TO_DEPOSIT, ACTIVE_CLIENT)
HOPELESS_PATH = (NEW_CONTACT, CONTACTED, NO_POTENTIAL)
HOPELESS_PHONE_ENDS_IN = "0"


def path_of(phone: object) -> tuple[str, ...]:
    """The path of an account with this phone; by default it becomes a client."""
    hopeless = isinstance(phone, str) and phone.endswith(HOPELESS_PHONE_ENDS_IN)
    return HOPELESS_PATH if hopeless else CLIENT_PATH
