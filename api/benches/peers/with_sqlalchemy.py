"""The FastAPI peer as most are written: SQLAlchemy's asynchronous ORM, one session a request."""

import os
import time
import uuid
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

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
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from sqlalchemy import BigInteger, LargeBinary, Text, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    os.environ["DATABASE_URL"].partition("?")[0].replace("postgres://", "postgresql+asyncpg://"),
    pool_size=int(os.environ["BENCH_CONNECTIONS"]),
    max_overflow=0,
    connect_args={"ssl": False},
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class ItemRow(Base):
    __tablename__ = "items"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    updated_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)

    @property
    def created_at(self) -> datetime:
        return timestamp(self.created_at_ms)

    @property
    def updated_at(self) -> datetime:
        return timestamp(self.created_at_ms if self.updated_at_ms is None else self.updated_at_ms)


class KeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(Text)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at_ms: Mapped[int | None] = mapped_column(BigInteger)


async def session():
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def find_key(prefix: str) -> bytes | None:
    async with sessions() as opened:
        key = await opened.scalar(select(KeyRow).where(KeyRow.prefix == prefix, KeyRow.revoked_at_ms.is_(None)))
    if key is None or (key.expires_at_ms is not None and key.expires_at_ms <= time.time() * 1000):
        return None
    return key.secret_sha256


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(Around, find_key=find_key, per_second=int(os.environ["BENCH_RATE_LIMIT"]))


@app.get("/readyz")
async def ready(session: Session):
    await session.execute(text("SELECT 1"))
    return {"status": "ready"}


@app.get("/items/{item_id}", response_model=Item)
async def read(item_id: uuid.UUID, session: Session, response: Response):
    item = await session.scalar(select(ItemRow).where(ItemRow.id == item_id))
    if item is None:
        raise HTTPException(404, "no item has this id")
    response.headers["etag"] = f'"{item.version}"'
    return item


@app.get("/items", response_model=Page)
async def list_items(session: Session, limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE_DEFAULT):
    wanted = select(ItemRow).where(ItemRow.position > 0).order_by(ItemRow.position).limit(limit + 1)
    rows = (await session.scalars(wanted)).all()
    page = rows[:limit]
    more = cursor(page[-1].position) if len(rows) > limit else None
    return {"items": page, "next_cursor": more}


@app.post("/items", response_model=Item, status_code=201)
async def create(new: NewItem, session: Session, response: Response):
    made = ItemRow(
        id=uuid.uuid4(), name=new.name, description=new.description or None, created_at_ms=now_ms(), version=1
    )
    session.add(made)
    await session.commit()
    ITEMS_CREATED.inc()
    response.headers["location"] = f"/items/{made.id}"
    response.headers["etag"] = '"1"'
    return made
