"""The thirty endpoints, by the groups of the document."""

from devstack.sandbox.leeloo import fields, messaging, people, selling
from devstack.sandbox.leeloo.fields import Id, Text
from devstack.sandbox.leeloo.requests import Route

PAGE = {"limit": fields.Positive, "offset": fields.Digits}
LAST_MESSAGE = {messaging.FROM: fields.Day, messaging.TO: fields.Day}
PEOPLE_FILTER = {people.TAGS: Text | list[Text], people.PHONE: str, people.EMAIL: str}
NEW_PERSON = {"name": Text, "email": fields.Email, "phone": fields.Phone, "leadgentool_id": Id}
IMPORT = {"data": fields.Recipients, "connection_id": Id, "leadgentool_id": Id, "tags": list[Id]}
PERSON_UPDATE = {"phone": fields.Phone, "email": fields.Email, "custom_fields": list[fields.CustomField]}
CALL = {
    "user_id": Id,
    "from": fields.Line,
    "to": fields.Line,
    "date": fields.Instant,
    "account_id": Id,
    "record_link": fields.Link,
    "status": fields.CallStatus,
    "duration": fields.Seconds,
    "type": fields.Direction,
}
ORDER = {
    "paymentCreditsId": Id,
    "email": fields.Email,
    "phone": fields.Phone,
    "transactionDate": fields.Instant,
    "offerId": Id,
    "isNotifyAccount": fields.Flag,
    "personId": Id,
}
OUTCOME = {"status": fields.Outcome}
PAYMENT = {"paymentDate": fields.Minute, "currency": fields.Currency, "price": fields.Money, "userComments": str}

CHANNELS = "/communication-channels"
CHANNEL, PERSON = f"{CHANNELS}/{{account_id}}", "/people/{person_id}"
TAG, BLOCK = {"tag_id": Id}, {"tunnel_id": Id, "tunnel_block_id": Id}
TEMPLATE, MESSAGE = {"account_id": Id, "template_id": Id}, {"account_id": Id, "text": Text}
VARIABLES, SOURCE = {"variables": dict[str, str]}, {"name": Text, "description": Text}
USERS, MANAGER = {"connected_users_ids": list[Id]}, {"managerId": Id}
LINKED, TOOLS = {"include": fields.some_of("contactedUsers", "orders")}, {"include": fields.some_of("leadgentools")}
TRAFFIC_SOURCE = "/leadgentools/{leadgentool_id}/create-traffic-source"

ROUTES = (
    Route("categories_list", "GET", "/categories/templates", messaging.list_categories),
    Route("templates_list", "GET", "/categories/templates/{category_id}", messaging.list_templates),
    Route("send_template", "POST", "/messages/send-template", messaging.send_template, TEMPLATE, VARIABLES),
    Route("send_message", "POST", "/messages/send-message", messaging.send_message, MESSAGE),
    Route("chat_messages", "GET", f"{CHANNELS}/{{person_id}}/chat-messages", messaging.list_chat, {}, PAGE),
    Route("channels_list", "GET", CHANNELS, messaging.list_channels, {}, PAGE | LAST_MESSAGE),
    Route("channel_person", "GET", f"{CHANNEL}/person", messaging.get_channel_person),
    Route("manual_subscribe", "POST", f"{CHANNEL}/manual-subscribe", messaging.subscribe, BLOCK, forms=True),
    Route("connections_list", "GET", "/connections", messaging.list_connections),
    Route("traffic_source_create", "POST", TRAFFIC_SOURCE, selling.create_traffic_source, SOURCE),
    Route("order_create", "POST", "/orders", selling.create_order, ORDER, MANAGER),
    Route("orders_list", "GET", "/orders", selling.list_orders, {}, PAGE),
    Route("order_get", "GET", "/orders/{order_id}", selling.get_order),
    Route("order_update", "POST", "/orders/{order_id}", selling.update_order, OUTCOME, PAYMENT, forms=True),
    Route("people_list", "GET", "/people", people.list_people, {}, PAGE | LAST_MESSAGE | PEOPLE_FILTER),
    Route("person_get", "GET", PERSON, people.get_person, {}, LINKED),
    Route("person_update", "PUT", PERSON, people.update_person, {}, PERSON_UPDATE),
    Route("person_create", "POST", "/people", people.create_person, NEW_PERSON, USERS),
    Route("people_sms", "POST", "/people/sms", people.import_for_sms, IMPORT),
    Route("add_comment", "PUT", f"{PERSON}/add-comment", people.add_comment, {"comment": Text}),
    Route("add_tag", "PUT", f"{PERSON}/add-tag", people.add_tag, TAG, forms=True),
    Route("remove_tag", "PUT", f"{PERSON}/remove-tag", people.remove_tag, TAG, forms=True),
    Route("call_create", "POST", "/calls", people.create_call, CALL, forms=True),
    Route("tags_list", "GET", "/tags", people.list_tags),
    Route("tunnels_list", "GET", "/tunnels", selling.list_tunnels, {}, PAGE),
    Route("tunnels_stats", "GET", "/tunnels/stats", selling.list_stats),
    Route("tunnel_get", "GET", "/tunnels/{tunnel_id}", selling.get_tunnel, {}, TOOLS),
    Route("tunnel_stats", "GET", "/tunnels/{tunnel_id}/stats", selling.get_stats),
    Route("users_list", "GET", "/users", people.list_users, {}, PAGE),
    Route("user_get", "GET", "/users/{user_id}", people.get_user),
)
