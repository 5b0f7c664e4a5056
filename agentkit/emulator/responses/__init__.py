"""The Responses wire: a second way to ask the same service. What it needs of the first is a conversation.

`read` refuses what is malformed, `items` makes a conversation of items, `rules` judges it, `output` makes items of an
answer, `stream` sends them. `seal` makes blobs and ids, `shelf` keeps what the client asked to store, `wire` is what
the service calls.
"""
