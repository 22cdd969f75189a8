"""The ClientApp: carries each question to the teachers' door and its reply back, nothing else."""

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedsa.messages import to_record
from fedsa.teacher.door import respond
from fedsa.teacher.faults import failure

app = ClientApp()


def _forward(message: Message, context: Context) -> Message:
    try:
        kind, ttl = message.metadata.message_type, message.metadata.ttl
        reply = respond(message.content, kind, context.node_config, context.run_config, ttl)
        record = to_record(reply)
    except Exception:  # Flower would send the text of an exception, paths and all
        record = to_record(failure("internal"))
    return Message(record, reply_to=message)


@app.query("describe")
def describe(message: Message, context: Context) -> Message:
    """Tell the cards of this node's teachers."""
    return _forward(message, context)


@app.query("offer")
def offer(message: Message, context: Context) -> Message:
    """Take, or refuse, a transfer set or a chunk of it."""
    return _forward(message, context)


@app.query("predict")
def predict(message: Message, context: Context) -> Message:
    """Answer items of a set that is held."""
    return _forward(message, context)


@app.query("saliency")
def saliency(message: Message, context: Context) -> Message:
    """Tell where a teacher looks on items of a set that is held, in the compact form."""
    return _forward(message, context)


@app.query("score")
def score(message: Message, context: Context) -> Message:
    """Tell how close a teacher's look is to the student's; the teacher's maps stay inside."""
    return _forward(message, context)
