#!/usr/bin/env python3
"""Makes, changes, lists and removes an item, with nothing but the standard library.

Needs API (the address) and KEY (a key of a writer).
"""

import json
import os
import urllib.error
import urllib.request
import uuid


class Problem(Exception):
    """What the service answered instead (RFC 9457)."""

    def __init__(self, document):
        super().__init__(f"{document['title']}: {document['detail']} ({document.get('request_id')})")
        self.type = document["type"]


def call(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = f"Bearer {os.environ['KEY']}"
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    request = urllib.request.Request(os.environ["API"] + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise Problem(json.load(error)) from None


def pages(limit=100):
    cursor = None
    while True:
        page = call("GET", f"/items?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


item = call("POST", "/items", {"name": "tea"}, Idempotency_Key=str(uuid.uuid4()))
item = call("PATCH", f"/items/{item['id']}", {"description": "green"}, If_Match=f'"{item["version"]}"')
assert any(other["id"] == item["id"] for other in pages())
try:
    call("DELETE", f"/items/{item['id']}", If_Match='"1"')
except Problem as problem:
    print(problem)
call("DELETE", f"/items/{item['id']}", If_Match=f'"{item["version"]}"')
print("removed", item["id"])
