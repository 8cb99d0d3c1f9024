"""What both FastAPI peers share: the shapes, and what lies around every request.

The middleware is one pure ASGI class, because `@app.middleware("http")` costs more: the peers are what a
team that cares about speed would write. It does what the API's does in the same places: request id, key
check against the table `api_keys` with a memory of 5 seconds, rate limit per caller with headers, Prometheus
metrics (multi-process, since there are two workers), one JSON line a request. It leaves out what the API does
besides: trace context, problem documents, time and size limits, security headers, CORS, idempotency.
"""

import hashlib
import hmac
import json
import logging
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 100
KEY_TRUSTED_SECONDS = 5
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# Whether a key may be used: the hash of its secret, by its prefix.
FindKey = Callable[[str], Awaitable[bytes | None]]


class Item(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    version: int


class NewItem(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"),
    ]
    description: Annotated[
        str | None, StringConstraints(max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")
    ] = None


class Page(BaseModel):
    items: list[Item]
    next_cursor: str | None


def timestamp(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def cursor(position: int) -> str:
    digits = ""
    while position:
        position, digit = divmod(position, 36)
        digits = DIGITS[digit] + digits
    return "p1" + digits


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        now = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"timestamp": now, "level": record.levelname, "message": record.getMessage()}
        line.update(getattr(record, "fields", {}))
        return json.dumps(line)


log = logging.getLogger("peer")
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonLines())
log.addHandler(handler)
log.setLevel(logging.INFO)
log.propagate = False

DURATION = Histogram(
    "http_server_request_duration_seconds", "Time from request to answer.", ["http_route", "method", "status"]
)
IN_FLIGHT = Gauge("http_server_active_requests", "Requests under way.", multiprocess_mode="livesum")
ITEMS_CREATED = Counter("items_created_total", "Items made.")


class Around:
    """Around every request."""

    def __init__(self, app, find_key: FindKey, per_second: int):
        self.app = app
        self.find_key = find_key
        self.limit = parse(f"{per_second}/second")
        self.limiter = FixedWindowRateLimiter(MemoryStorage())
        self.keys: dict[str, tuple[float, bytes]] = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id") or str(uuid.uuid4())
        extra = {"x-request-id": request_id}
        status = 500

        async def answer(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(extra)
            await send(message)

        IN_FLIGHT.inc()
        principal = "anonymous"
        try:
            if scope["path"] in ("/readyz", "/livez"):
                await self.app(scope, receive, answer)
            elif (principal := await self.identify(headers)) is None:
                await JSONResponse({"detail": "API key missing or wrong"}, 401)(scope, receive, answer)
            else:
                is_within = await self.limiter.hit(self.limit, principal)
                reset, remaining = await self.limiter.get_window_stats(self.limit, principal)
                extra["ratelimit-limit"] = str(self.limit.amount)
                extra["ratelimit-remaining"] = str(remaining)
                extra["ratelimit-reset"] = str(max(0, int(reset - time.time())))
                if is_within:
                    await self.app(scope, receive, answer)
                else:
                    await JSONResponse({"detail": "too many requests"}, 429)(scope, receive, answer)
        finally:
            IN_FLIGHT.dec()
            duration = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            DURATION.labels(route, scope["method"], str(status)).observe(duration)
            fields = {
                "request_id": request_id,
                "principal": principal,
                "method": scope["method"],
                "route": route,
                "path": scope["path"],
                "status": status,
                "duration_ms": round(duration * 1000, 3),
            }
            log.info("request", extra={"fields": fields})

    async def identify(self, headers: Headers) -> str | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        start, _, rest = token.partition("_")
        prefix, _, secret = rest.partition("_")
        if scheme.lower() != "bearer" or start != "opk":
            return None
        seen_at, expected = self.keys.get(prefix, (0.0, b""))
        if time.monotonic() - seen_at > KEY_TRUSTED_SECONDS:
            expected = await self.find_key(prefix)
            if expected is None:
                return None
            self.keys[prefix] = (time.monotonic(), expected)
        found = hashlib.sha256(secret.encode()).digest()
        return f"key:{prefix}" if hmac.compare_digest(found, expected) else None
