"""Leeloo's contract: orders, and the tunnels that lead to them."""

from devstack.sandbox.remote import Remote
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import LeelooClient, Office, wrong


def test_an_order_has_its_offers_price(leeloo: LeelooClient, office: Office) -> None:
    order = leeloo.post("orders", office.order(managerId=office.user_id)).json["data"]
    assert order == {
        "id": order["id"],
        "title": "Курс трейдингу",
        "price": 199.99,
        "currency": "USD",
        "status": "OPENED",
        "createdAt": "2027-01-15T08:00:00.000Z",
        "updatedAt": "2027-01-15T08:00:00.000Z",
    }
    listed = leeloo.get("orders").json
    assert listed["data"] == [order | {"person_id": office.person_id}]
    assert listed["meta"]["totalCount"] == 1
    alone = leeloo.get(f"orders/{order['id']}").json["data"]
    assert alone == order | {"description": "Дванадцять уроків", "paymentMethod": "Оплата вручну"}


def test_an_order_paid_by_hand_is_resolved(leeloo: LeelooClient, office: Office, clock: Clock) -> None:
    path = f"orders/{leeloo.post('orders', office.order()).json['data']['id']}"
    clock.now += 60
    body = {"status": "RESOLVED", "paymentDate": "2026-01-31 09:30", "currency": "UAH", "price": "100.10"}
    assert leeloo.post(path, body | {"userComments": ""}).json == {"data": {}, "status": 1}
    order = leeloo.get(path).json["data"]
    assert (order["status"], order["price"], order["currency"]) == ("RESOLVED", 100.1, "UAH")
    assert (order["createdAt"], order["updatedAt"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:01:00.000Z")


def test_an_order_paid_otherwise_is_not_touched(leeloo: LeelooClient, office: Office) -> None:
    made = leeloo.post("orders", office.order(paymentCreditsId=office.payments["Еквайринг"])).json["data"]
    reply = leeloo.post(f"orders/{made['id']}", {"status": "REJECTED"})
    assert (reply.status, wrong(reply)) == (400, {"order_id": "NOT_ALLOWED"})
    assert leeloo.get(f"orders/{made['id']}").json["data"]["status"] == "OPENED"


def test_an_order_is_about_a_person_and_sends_nothing(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    order_id = leeloo.post("orders", office.order()).json["data"]["id"]
    assert leeloo.get(f"people/{office.person_id}").json["data"]["links"]["orders"] == [order_id]
    assert remote.rows("leeloo/messages") == []


def test_tunnels_link_their_lead_tools(leeloo: LeelooClient, office: Office) -> None:
    listed = leeloo.get("tunnels").json
    assert listed["meta"] == {"limit": 20, "offset": 0, "filteredCount": 2, "totalCount": 2}
    assert listed["data"][0]["createdAt"] == "2025-01-01T00:00Z"
    path = f"tunnels/{office.tunnel_id}"
    plain = leeloo.get(path).json
    assert plain.keys() == {"data", "status"}
    assert office.tool_id in plain["data"]["links"]["leadgentools"]
    linked = leeloo.get(path, ("include", "leadgentools")).json
    assert linked["data"] == plain["data"]
    assert linked["linked"]["leadgentools"][0] == {"id": office.tool_id, "name": "Форма на сайті", "type": "LANDING"}


def test_a_traffic_source_belongs_to_a_lead_tool(leeloo: LeelooClient, office: Office) -> None:
    path = f"leadgentools/{office.tool_id}/create-traffic-source"
    data = leeloo.post(path, {"name": "Реклама", "description": "Січень"}).json["data"]
    assert (data["name"], data["description"]) == ("Реклама", "Січень")
    assert (data["leadgentool_id"], data["tunnel_id"]) == (office.tool_id, office.tunnel_id)
    assert data["hash"]


def test_stats_count_subscribers_orders_and_sales(leeloo: LeelooClient, office: Office) -> None:
    for _ in range(2):
        body = {"tunnel_id": office.tunnel_id, "tunnel_block_id": office.block_id}
        leeloo.post(f"communication-channels/{office.account_id}/manual-subscribe", body)
        order = leeloo.post("orders", office.order(offerId=office.offers["Консультація"])).json["data"]
        leeloo.post(f"orders/{order['id']}", {"status": "RESOLVED"})
    leeloo.post("orders", office.order(offerId=office.offers["Консультація"]))
    (row,) = leeloo.get(f"tunnels/{office.tunnel_id}/stats").json["data"]
    assert (row["subscribers"], row["uniqSubscribers"]) == (2, 1)
    assert (row["orders"], row["sales"], row["uniqSales"], row["totalSale"]) == (3, 2, 1, 3000)
    every = leeloo.get("tunnels/stats").json["data"]
    assert (len(every), every[0]) == (2, row)
    assert every[1]["subscribers"] == 0
