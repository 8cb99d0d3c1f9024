//! The least that answers like the API: axum and sqlx on the same tables, without any layer.
//!
//! `bench.py` measures what the API's layers cost against it. Settings: `BENCH_LISTEN`, `DATABASE_URL`,
//! `BENCH_CONNECTIONS`.

use anyhow::Context;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

/// As in the API: see `PAGE_SIZE_DEFAULT` there.
const PAGE_SIZE_DEFAULT: i64 = 20;
/// The API's threads, so that both have the same share of the machine.
const WORKER_THREADS: usize = 2;

#[derive(Serialize)]
struct Item {
    #[serde(serialize_with = "as_text")]
    id: Uuid,
    name: String,
    description: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: i64,
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[derive(Deserialize)]
struct NewItem {
    name: String,
    description: Option<String>,
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<i64>,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

/// Whatever goes wrong is a 500: the benchmark counts it and fails.
struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

type Row = (i64, Uuid, String, Option<String>, i64, Option<i64>, i64);

fn item(row: Row) -> Result<(i64, Item), jiff::Error> {
    let (position, id, name, description, created_ms, updated_ms, version) = row;
    let item = Item {
        id,
        name,
        description,
        created_at: Timestamp::from_millisecond(created_ms)?,
        updated_at: Timestamp::from_millisecond(updated_ms.unwrap_or(created_ms))?,
        version,
    };
    Ok((position, item))
}

async fn read(State(pool): State<PgPool>, Path(id): Path<String>) -> Result<Response, Failed> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT position, id, name, description, created_at_ms, updated_at_ms, version \
         FROM items WHERE id = $1",
    )
    .bind(Uuid::try_parse(&id)?)
    .fetch_optional(&pool)
    .await?;
    Ok(match row {
        Some(row) => Json(item(row)?.1).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn list(
    State(pool): State<PgPool>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page>, Failed> {
    let limit = query.limit.unwrap_or(PAGE_SIZE_DEFAULT);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT position, id, name, description, created_at_ms, updated_at_ms, version \
         FROM items WHERE position > $1 ORDER BY position LIMIT $2",
    )
    .bind(0_i64)
    .bind(limit + 1)
    .fetch_all(&pool)
    .await?;
    let page_size = usize::try_from(limit)?;
    let has_more = rows.len() > page_size;
    let mut last = 0;
    let items = rows
        .into_iter()
        .take(page_size)
        .map(|row| {
            item(row).map(|(position, item)| {
                last = position;
                item
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Json(Page {
        items,
        next_cursor: has_more.then(|| cursor(last)),
    }))
}

/// The API's spelling of a place in the list.
fn cursor(mut position: i64) -> String {
    let mut digits = Vec::new();
    while position > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(position % 36) as usize] as char);
        position /= 36;
    }
    format!("p1{}", digits.iter().rev().collect::<String>())
}

async fn create(State(pool): State<PgPool>, Json(new): Json<NewItem>) -> Result<Response, Failed> {
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond())?;
    let item = Item {
        id: Uuid::now_v7(),
        name: new.name,
        description: new.description,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    sqlx::query("INSERT INTO items (id, name, description, created_at_ms) VALUES ($1, $2, $3, $4)")
        .bind(item.id)
        .bind(&item.name)
        .bind(item.description.as_deref())
        .bind(now.as_millisecond())
        .execute(&pool)
        .await?;
    let location = format!("/items/{}", item.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(item),
    )
        .into_response())
}

async fn ready(State(pool): State<PgPool>) -> Result<(), Failed> {
    sqlx::query("SELECT 1").execute(&pool).await?;
    Ok(())
}

fn setting(name: &'static str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; bench.py sets it"))
}

async fn serve() -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(setting("BENCH_CONNECTIONS")?.parse()?)
        .test_before_acquire(false)
        .connect_lazy(&setting("DATABASE_URL")?)?;
    let routes = Router::new()
        .route("/readyz", get(ready))
        .route("/items", get(list).post(create))
        .route("/items/{id}", get(read))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(setting("BENCH_LISTEN")?).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()?
        .block_on(serve())
}
