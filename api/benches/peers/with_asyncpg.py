"""The FastAPI peer without an ORM: asyncpg and plain SQL."""

import os
import time
import uuid
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from common import (
    ITEMS_CREATED,
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    Around,
    Item,
    NewItem,
    Page,
    cursor,
    now_ms,
    timestamp,
)
from fastapi import FastAPI, HTTPException, Query, Request, Response

COLUMNS = "position, id, name, description, created_at_ms, updated_at_ms, version"
pool: asyncpg.Pool


@asynccontextmanager
async def lifespan(_: FastAPI):
    global pool
    size = int(os.environ["BENCH_CONNECTIONS"])
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=size)
    yield
    await pool.close()


async def find_key(prefix: str) -> bytes | None:
    return await pool.fetchval(
        "SELECT secret_sha256 FROM api_keys WHERE prefix = $1 AND revoked_at_ms IS NULL "
        "AND (expires_at_ms IS NULL OR expires_at_ms > $2)",
        prefix,
        int(time.time() * 1000),
    )


app = FastAPI(lifespan=lifespan)
app.add_middleware(Around, find_key=find_key, per_second=int(os.environ["BENCH_RATE_LIMIT"]))


def item(row: asyncpg.Record) -> Item:
    created_ms = row["created_at_ms"]
    updated_ms = row["updated_at_ms"]
    return Item(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        created_at=timestamp(created_ms),
        updated_at=timestamp(created_ms if updated_ms is None else updated_ms),
        version=row["version"],
    )


@app.get("/readyz")
async def ready():
    await pool.fetchval("SELECT 1")
    return {"status": "ready"}


@app.get("/items/{item_id}", response_model=Item)
async def read(item_id: uuid.UUID, response: Response):
    row = await pool.fetchrow(f"SELECT {COLUMNS} FROM items WHERE id = $1", item_id)
    if row is None:
        raise HTTPException(404, "no item has this id")
    response.headers["etag"] = f'"{row["version"]}"'
    return item(row)


@app.get("/items", response_model=Page)
async def list_items(limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE_DEFAULT):
    rows = await pool.fetch(f"SELECT {COLUMNS} FROM items WHERE position > $1 ORDER BY position LIMIT $2", 0, limit + 1)
    page = rows[:limit]
    more = cursor(page[-1]["position"]) if len(rows) > limit else None
    return Page(items=[item(row) for row in page], next_cursor=more)


@app.post("/items", response_model=Item, status_code=201)
async def create(new: NewItem, request: Request, response: Response):
    now = now_ms()
    made = Item(
        id=uuid.uuid4(),
        name=new.name,
        description=new.description or None,
        created_at=timestamp(now),
        updated_at=timestamp(now),
        version=1,
    )
    await pool.execute(
        "INSERT INTO items (id, name, description, created_at_ms) VALUES ($1, $2, $3, $4)",
        made.id,
        made.name,
        made.description,
        now,
    )
    ITEMS_CREATED.inc()
    response.headers["location"] = f"/items/{made.id}"
    response.headers["etag"] = '"1"'
    return made
