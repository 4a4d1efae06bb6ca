"""`leadbridge alerts test`: send a message to everyone who gets alerts."""

from leadbridge_cli.cloud import Cloud, aws_errors, resolve_cloud
from leadbridge_cli.options import command, group
from leadbridge_cli.output import Output, line

app = group("alerts", "Alerts to operators.")

TEXT = "This is a test message of leadbridge. Alerts are delivered here."
TOPIC = "AlarmTopicArn"  # the stack's output


@command(app, "test", resolve_cloud, example="alerts test")
def test(output: Output, cloud: Cloud) -> None:
    """Publish a test message to the topic of the alarms. It takes the same way as an alarm."""
    topic = cloud.output(TOPIC)
    with aws_errors("the topic of the alarms"):
        sent = cloud.client("sns").publish(TopicArn=topic, Subject="leadbridge: test", Message=TEXT)
    document = {"message_id": sent["MessageId"], "topic": topic}
    output.answer(
        document, lambda: [line("Published. The chats get the message within a minute, else it is e-mailed.")]
    )
