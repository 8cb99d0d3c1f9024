//! The migrations of this release, which only ever expand the schema.

use sqlx::migrate::Migrator;

use super::Schema;

/// Those for SQLite, embedded at build time. Migrations of later releases are not in it and
/// are left alone.
pub(super) fn sqlite() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

/// Those for Postgres; otherwise as [`sqlite`].
pub(super) fn postgres() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations/postgres");
    migrator.set_ignore_missing(true);
    migrator
}

/// A migration as its version and the checksum of its text.
pub(super) type Applied = (i64, Vec<u8>);

/// What a migrator brings, to be compared with what a database has.
pub(super) fn ours(migrator: &Migrator) -> Vec<Applied> {
    migrator
        .iter()
        .map(|migration| (migration.version, migration.checksum.to_vec()))
        .collect()
}

/// Compares the migrations applied in a database with those of a release.
///
/// # Errors
/// The version of a migration that was applied with another text than ours.
pub(super) fn compare(applied: &[Applied], ours: &[Applied]) -> Result<Schema, i64> {
    let mut is_behind = false;
    for (version, checksum) in ours {
        match applied.iter().find(|(other, _)| other == version) {
            None => is_behind = true,
            Some((_, other)) if other != checksum => return Err(*version),
            Some(_) => {}
        }
    }
    let has_more = || {
        applied
            .iter()
            .any(|(version, _)| ours.iter().all(|(our, _)| our != version))
    };
    Ok(if is_behind {
        Schema::Behind
    } else if has_more() {
        Schema::Newer
    } else {
        Schema::Current
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(versions: &[i64]) -> Vec<Applied> {
        versions.iter().map(|version| (*version, vec![7])).collect()
    }

    #[test]
    fn a_newer_schema_is_told_from_one_that_is_behind() {
        let compare = |applied: &[i64], ours: &[i64]| compare(&of(applied), &of(ours));
        assert_eq!(compare(&[1, 2], &[1, 2]), Ok(Schema::Current));
        assert_eq!(compare(&[1, 2, 3], &[1, 2]), Ok(Schema::Newer));
        assert_eq!(compare(&[1], &[1, 2]), Ok(Schema::Behind));
        assert_eq!(compare(&[], &[1]), Ok(Schema::Behind));
        assert_eq!(compare(&[1, 3], &[1, 2]), Ok(Schema::Behind));
    }

    #[test]
    fn a_migration_that_was_edited_after_it_ran_is_named() {
        assert_eq!(compare(&[(1, vec![7]), (2, vec![8])], &of(&[1, 2])), Err(2));
    }

    #[test]
    fn both_backends_have_the_same_steps() {
        let versions = |migrator: &Migrator| -> Vec<_> {
            ours(migrator)
                .into_iter()
                .map(|(version, _)| version)
                .collect()
        };
        assert_eq!(versions(&sqlite()), versions(&postgres()));
    }

    #[test]
    fn migrations_only_expand() {
        for migration in sqlite().iter().chain(postgres().iter()) {
            let sql: String = migration
                .sql
                .as_str()
                .lines()
                .map(|line| line.split("--").next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ")
                .to_uppercase();
            for statement in sql.split(';').map(str::trim) {
                let shrinks = ["DROP ", "RENAME ", "DELETE ", "TRUNCATE "]
                    .iter()
                    .any(|word| statement.contains(word));
                let breaks_inserts_of_older_releases = statement.contains("ADD COLUMN")
                    && statement.contains("NOT NULL")
                    && !statement.contains("DEFAULT");
                assert!(
                    !shrinks && !breaks_inserts_of_older_releases,
                    "migration {} breaks the release before it: {statement}",
                    migration.version
                );
            }
        }
    }
}
