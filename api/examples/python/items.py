"""Keeps a few items with the client that openapi-python-client makes of the service's document.

Needs API (the address) and KEY (a key of a writer). Prints expected.txt.
"""

import os
import uuid

from opsconsole_api import AuthenticatedClient
from opsconsole_api.api.items import change_item, create_item, delete_item, list_items, read_item
from opsconsole_api.models import Item, ItemPage, ItemPatch, NewItem, Problem
from opsconsole_api.types import UNSET

client = AuthenticatedClient(os.environ["API"], token=os.environ["KEY"], timeout=20, raise_on_unexpected_status=True)


def expect(kind, answer):
    """What was asked for; an exception with the problem where the service answered one."""
    if isinstance(answer.parsed, Problem):
        raise RuntimeError(f"{answer.parsed.title}: {answer.parsed.detail} ({answer.parsed.request_id})")
    assert isinstance(answer.parsed, kind), answer
    return answer.parsed


# A reader of any of these may be cut off and send the request again: it makes one item.
run = f"python-{uuid.uuid4()}"
items = []
for name in ["tea", "coffee", "cocoa"]:
    for _ in ["first", "again"]:
        body = NewItem(name=f"{run} {name}")
        answer = create_item.sync_detailed(client=client, body=body, idempotency_key=f"{run}-{name}")
    items.append(expect(Item, answer))
replayed = answer.headers["idempotency-replayed"]
print(f"made {len(items)} items; sent again: {answer.status_code}, replayed {replayed}")

answer = read_item.sync_detailed(items[0].id, client=client)
etag = answer.headers["etag"]
again = read_item.sync_detailed(items[0].id, client=client, if_none_match=etag)
print(f"read {etag}; read again: {again.status_code}")

green = ItemPatch(description="green")
answer = change_item.sync_detailed(items[0].id, client=client, body=green, if_match=etag)
print(f"changed: {expect(Item, answer).description}, {answer.headers['etag']}")

black = ItemPatch(description="black")
problem = change_item.sync(items[0].id, client=client, body=black, if_match=etag)
print(f"changed on the old state: {problem.status} {problem.type_}")

cursor, found, pages = UNSET, 0, 0
while cursor is not None:
    page = expect(ItemPage, list_items.sync_detailed(client=client, limit=2, name_contains=run, cursor=cursor))
    found, pages, cursor = found + len(page.items), pages + 1, page.next_cursor
print(f"listed {found} items on {pages} pages")

for item in items:
    expect(object, delete_item.sync_detailed(item.id, client=client, if_match="*"))
problem = read_item.sync(items[0].id, client=client)
print(f"removed: {problem.status} {problem.type_}")

problem = create_item.sync(client=client, body=NewItem(name=""))
error = problem.errors[0]
print(f"refused: {problem.status} {problem.type_}, {error.pointer} {error.detail}")
