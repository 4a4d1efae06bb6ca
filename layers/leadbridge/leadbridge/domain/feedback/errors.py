"""The error of a postback that has nothing to say."""


class ClickIdMissing(Exception):
    """The tracker's address needs a click id, and the lead has none."""
