//! Accounts, sessions, memberships and invitations: what the server must know and no device may hold. Tables and their
//! rules; who may ask for what is decided in `serve`.

pub mod password;
pub mod serve;
pub mod token;

use crate::api::ApiError;
use crate::api::account::{SESSIONS_SHOWN_MAX, SessionId, SignedIn};
use crate::api::workspace::{INVITATIONS_SHOWN_MAX, InvitationId, OpenInvitation};
use crate::model::choice::Role;
use crate::model::id::{AccountId, MemberId, WorkspaceId};
use password::{Cost, Passwords};
use sqlx::{Row, SqlitePool};
use token::{Digest, Token};
use uuid::Uuid;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A browser not heard of for this long signs in again. As long as the change log is kept: one that stays away longer starts
/// afresh anyway.
pub const SESSION_IDLE_MS: i64 = 90 * DAY_MS;
/// However busy it is, a session ends after a year, so that a stolen one does too.
pub const SESSION_AGE_MAX_MS: i64 = 365 * DAY_MS;
/// How often a session's last use is written down: often enough for a person to recognise it, rarely enough to cost nothing.
const SESSION_SEEN_EVERY_MS: i64 = 60 * 60 * 1000;
/// How long an invitation works: a holiday long.
pub const INVITATION_MS: i64 = 14 * DAY_MS;
/// For how long after their removal a member's last edits are still taken, into quarantine: a job in the field is over by
/// then.
pub const REMOVED_PUSH_MS: i64 = 30 * DAY_MS;
/// Characters of a person's or a workspace's name.
pub const NAME_CHARS_MAX: usize = 100;
/// Characters of an email address, by RFC 5321 section 4.5.3.1.3 (a path of 256 with its brackets).
pub const EMAIL_CHARS_MAX: usize = 254;
/// Characters of what a browser says it is that are kept: the names of browser and system stand in the first ones.
const LABEL_CHARS_MAX: usize = 200;

/// A person who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// What they call themselves.
    pub name: String,
    /// As they typed it.
    pub email: String,
}

/// An account whose password was found right just now.
pub struct Verified {
    /// Whose.
    pub account: Account,
    /// What it was checked against. Once another has taken its place, nothing is begun with this one any more.
    hash: String,
}

/// One signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What its token hashes to; names it everywhere on the server.
    pub digest: Digest,
    /// Who is signed in.
    pub account: Account,
    /// The membership this browser shows.
    pub member: Option<MemberId>,
}

/// One account's place in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// As which member.
    pub member: MemberId,
    /// When they were found to be removed, Unix milliseconds.
    pub removed_ms: Option<i64>,
}

/// An invitation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// To which workspace.
    pub workspace: WorkspaceId,
    /// By which member.
    pub by: MemberId,
    /// To be what.
    pub role: Role,
    /// For whom only.
    pub email_key: Option<String>,
    /// Until when, Unix milliseconds.
    pub expires_ms: i64,
}

/// The tables.
#[derive(Clone)]
pub struct Accounts {
    writer: SqlitePool,
    readers: SqlitePool,
    passwords: Passwords,
}

/// What two spellings of one address share.
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Accounts {
    /// In a database whose migrations have run: writes through the one connection that writes, beside the records, and reads
    /// through the others.
    pub fn new(writer: SqlitePool, readers: SqlitePool, cost: Cost) -> Self {
        Self { writer, readers, passwords: Passwords::new(cost) }
    }

    /// Whether anybody has an account yet.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn any(&self) -> Result<bool, ApiError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM account)").fetch_one(&self.readers).await?)
    }

    /// Makes an account. The caller has checked its fields. An invitation that led here is from then on this account's alone, so
    /// that one invitation makes one account.
    ///
    /// # Errors
    /// `EmailTaken`; `InvitationGone` if somebody else was faster.
    pub async fn create(
        &self,
        name: &str,
        email: &str,
        password: String,
        invitation: Option<&Token>,
        now_ms: i64,
    ) -> Result<Verified, ApiError> {
        let account = Account { id: AccountId(Uuid::now_v7()), name: name.to_owned(), email: email.to_owned() };
        let hash = self.passwords.hash(password).await?;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let made = sqlx::query(
            "INSERT INTO account (id, email, email_key, name, password, created_ms) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(account.id.0)
        .bind(email)
        .bind(email_key(email))
        .bind(name)
        .bind(&hash)
        .bind(now_ms)
        .execute(&mut *transaction)
        .await;
        match made {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Err(ApiError::EmailTaken),
            made => made?,
        };
        if let Some(token) = invitation {
            let kept = sqlx::query("UPDATE invitation SET used_by = ? WHERE digest = ? AND used_by IS NULL")
                .bind(account.id.0)
                .bind(token.digest().as_slice())
                .execute(&mut *transaction)
                .await?;
            if kept.rows_affected() == 0 {
                return Err(ApiError::InvitationGone);
            }
        }
        transaction.commit().await?;
        Ok(Verified { account, hash })
    }

    /// The account, if the password is right. An unknown address takes as long and is answered alike.
    ///
    /// # Errors
    /// `WrongPassword`.
    pub async fn verify(&self, email: &str, password: String) -> Result<Verified, ApiError> {
        let row = sqlx::query("SELECT id, email, name, password FROM account WHERE email_key = ?")
            .bind(email_key(email))
            .fetch_optional(&self.readers)
            .await?;
        let hash = row.as_ref().map(|row| row.try_get("password")).transpose()?;
        let right = self.passwords.verify(password, hash).await?;
        let row = row.filter(|_| right).ok_or(ApiError::WrongPassword)?;
        let account =
            Account { id: AccountId(row.try_get("id")?), name: row.try_get("name")?, email: row.try_get("email")? };
        Ok(Verified { account, hash: row.try_get("password")? })
    }

    /// The account of this address, if there is one. For the command line; nothing a browser reaches says whether there is.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn find(&self, email: &str) -> Result<Option<Account>, ApiError> {
        let row = sqlx::query("SELECT id, email, name FROM account WHERE email_key = ?")
            .bind(email_key(email))
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            Ok(Account { id: AccountId(row.try_get("id")?), name: row.try_get("name")?, email: row.try_get("email")? })
        })
        .transpose()
    }

    /// Signs an account in on one browser, showing what it last showed on any.
    ///
    /// # Errors
    /// `WrongPassword` if it was changed since it was verified.
    pub async fn start_session(&self, verified: &Verified, label: &str, now_ms: i64) -> Result<Token, ApiError> {
        let token = Token::mint()?;
        let label: String = label.chars().filter(|letter| !letter.is_control()).take(LABEL_CHARS_MAX).collect();
        let begun = sqlx::query(
            "INSERT INTO session (digest, account, member, label, created_ms, seen_ms, expires_ms) SELECT ?1, ?2, coalesce( \
             (SELECT member FROM session WHERE account = ?2 AND member IS NOT NULL ORDER BY seen_ms DESC LIMIT 1), \
             (SELECT member FROM membership WHERE account = ?2 AND removed_ms IS NULL ORDER BY joined_ms LIMIT 1)), \
             ?3, ?4, ?4, ?5 WHERE EXISTS (SELECT 1 FROM account WHERE id = ?2 AND password = ?6)",
        )
        .bind(token.digest().as_slice())
        .bind(verified.account.id.0)
        .bind(label)
        .bind(now_ms)
        .bind(now_ms + SESSION_IDLE_MS)
        .bind(&verified.hash)
        .execute(&self.writer)
        .await?;
        if begun.rows_affected() == 0 { Err(ApiError::WrongPassword) } else { Ok(token) }
    }

    /// The session of this token, if it has not ended; notes that it was used.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn session(&self, token: &Token, now_ms: i64) -> Result<Option<Session>, ApiError> {
        let digest = token.digest();
        let row = sqlx::query(
            "SELECT account.id, account.name, account.email, session.member, session.seen_ms, session.created_ms \
             FROM session JOIN account ON account.id = session.account WHERE session.digest = ? AND session.expires_ms > ?",
        )
        .bind(digest.as_slice())
        .bind(now_ms)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if now_ms.abs_diff(row.try_get("seen_ms")?) > SESSION_SEEN_EVERY_MS.unsigned_abs() {
            let expires_ms = (now_ms + SESSION_IDLE_MS).min(row.try_get::<i64, _>("created_ms")? + SESSION_AGE_MAX_MS);
            sqlx::query("UPDATE session SET seen_ms = ?, expires_ms = ? WHERE digest = ?")
                .bind(now_ms)
                .bind(expires_ms)
                .bind(digest.as_slice())
                .execute(&self.writer)
                .await?;
        }
        let account =
            Account { id: AccountId(row.try_get("id")?), name: row.try_get("name")?, email: row.try_get("email")? };
        Ok(Some(Session { digest, account, member: row.try_get::<Option<Uuid>, _>("member")?.map(MemberId) }))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn end_session(&self, digest: &Digest) -> Result<(), ApiError> {
        sqlx::query("DELETE FROM session WHERE digest = ?").bind(digest.as_slice()).execute(&self.writer).await?;
        Ok(())
    }

    /// The sessions of an account that have not ended, the latest heard of first. `here` is the one that asks.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn sessions(&self, account: AccountId, here: &Digest, now_ms: i64) -> Result<Vec<SignedIn>, ApiError> {
        let rows = sqlx::query(
            "SELECT digest, label, created_ms, seen_ms FROM session WHERE account = ? AND expires_ms > ? \
             ORDER BY seen_ms DESC, created_ms DESC LIMIT ?",
        )
        .bind(account.0)
        .bind(now_ms)
        .bind(i64::try_from(SESSIONS_SHOWN_MAX).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let digest = digest(row)?;
                Ok(SignedIn {
                    id: SessionId(half(&digest)),
                    agent: row.try_get("label")?,
                    since_ms: row.try_get("created_ms")?,
                    seen_ms: row.try_get("seen_ms")?,
                    here: digest == *here,
                })
            })
            .collect()
    }

    /// Ends the sessions of an account that are chosen, and returns them, so that their connections can be ended too.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn end_sessions(&self, account: AccountId, which: Which<'_>) -> Result<Vec<Digest>, ApiError> {
        let rows = match which {
            Which::One(id) => {
                // The digest begins with the id, see `half`.
                sqlx::query("DELETE FROM session WHERE account = ? AND substr(digest, 1, 16) = ? RETURNING digest")
                    .bind(account.0)
                    .bind(id.0)
            }
            Which::AllBut(here) => {
                sqlx::query("DELETE FROM session WHERE account = ? AND digest <> ? RETURNING digest")
                    .bind(account.0)
                    .bind(here.as_slice())
            }
        };
        rows.fetch_all(&self.writer).await?.iter().map(digest).collect()
    }

    /// Gives an account another password, which the caller has checked, and ends its sessions but the one that asks. Returns those,
    /// so that their connections can be ended too.
    ///
    /// # Errors
    /// `WrongPassword` if it was changed since it was verified.
    pub async fn change_password(
        &self,
        verified: &Verified,
        password: String,
        here: &Digest,
    ) -> Result<Vec<Digest>, ApiError> {
        let password = self.passwords.hash(password).await?;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let changed = sqlx::query("UPDATE account SET password = ? WHERE id = ? AND password = ?")
            .bind(password)
            .bind(verified.account.id.0)
            .bind(&verified.hash)
            .execute(&mut *transaction)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(ApiError::WrongPassword);
        }
        let ended = sqlx::query("DELETE FROM session WHERE account = ? AND digest <> ? RETURNING digest")
            .bind(verified.account.id.0)
            .bind(here.as_slice())
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        ended.iter().map(digest).collect()
    }

    /// Shows another membership in one browser.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn show(&self, digest: &Digest, member: MemberId) -> Result<(), ApiError> {
        sqlx::query("UPDATE session SET member = ? WHERE digest = ?")
            .bind(member.0)
            .bind(digest.as_slice())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Drops sessions and invitations that have ended.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn forget_ended(&self, now_ms: i64) -> Result<(), ApiError> {
        sqlx::query("DELETE FROM session WHERE expires_ms <= ?").bind(now_ms).execute(&self.writer).await?;
        sqlx::query("DELETE FROM invitation WHERE expires_ms <= ?").bind(now_ms).execute(&self.writer).await?;
        Ok(())
    }

    /// Every place of an account, oldest first, those it was removed from included.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn memberships(&self, account: AccountId) -> Result<Vec<Membership>, ApiError> {
        let rows =
            sqlx::query("SELECT workspace, member, removed_ms FROM membership WHERE account = ? ORDER BY joined_ms")
                .bind(account.0)
                .fetch_all(&self.readers)
                .await?;
        rows.iter().map(membership).collect()
    }

    /// The place that is this member, if it is this account's.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn membership(&self, account: AccountId, member: MemberId) -> Result<Option<Membership>, ApiError> {
        let row = sqlx::query("SELECT workspace, member, removed_ms FROM membership WHERE member = ? AND account = ?")
            .bind(member.0)
            .bind(account.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(membership).transpose()
    }

    /// Gives an account a place.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn join(
        &self,
        account: AccountId,
        workspace: WorkspaceId,
        member: MemberId,
        now_ms: i64,
    ) -> Result<(), ApiError> {
        sqlx::query("INSERT INTO membership (workspace, account, member, joined_ms) VALUES (?, ?, ?, ?)")
            .bind(workspace.0)
            .bind(account.0)
            .bind(member.0)
            .bind(now_ms)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Notes when a member was found to be removed; the first time counts.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn note_removed(&self, member: MemberId, now_ms: i64) -> Result<(), ApiError> {
        sqlx::query("UPDATE membership SET removed_ms = ? WHERE member = ? AND removed_ms IS NULL")
            .bind(now_ms)
            .bind(member.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Notes that a member who had been removed belongs again: another removal counts from then.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn note_returned(&self, member: MemberId) -> Result<(), ApiError> {
        sqlx::query("UPDATE membership SET removed_ms = NULL WHERE member = ?")
            .bind(member.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Keeps an invitation and returns the token that opens it.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn invite(&self, invitation: &Invitation, now_ms: i64) -> Result<Token, ApiError> {
        let token = Token::mint()?;
        sqlx::query(
            "INSERT INTO invitation (digest, workspace, by, role, email_key, created_ms, expires_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(token.digest().as_slice())
        .bind(invitation.workspace.0)
        .bind(invitation.by.0)
        .bind(invitation.role.name())
        .bind(&invitation.email_key)
        .bind(now_ms)
        .bind(invitation.expires_ms)
        .execute(&self.writer)
        .await?;
        Ok(token)
    }

    /// The invitations of a workspace that can still be used, those that end first first.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn open_invitations(&self, workspace: WorkspaceId, now_ms: i64) -> Result<Vec<OpenInvitation>, ApiError> {
        let rows = sqlx::query(
            "SELECT digest, by, role, email_key, expires_ms FROM invitation \
             WHERE workspace = ? AND used_ms IS NULL AND expires_ms > ? ORDER BY expires_ms, digest LIMIT ?",
        )
        .bind(workspace.0)
        .bind(now_ms)
        .bind(i64::try_from(INVITATIONS_SHOWN_MAX).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenInvitation {
                    id: InvitationId(half(&digest(row)?)),
                    by: MemberId(row.try_get("by")?),
                    role: Role::from_name(row.try_get("role")?).ok_or(ApiError::Failed)?,
                    email: row.try_get("email_key")?,
                    expires_ms: row.try_get("expires_ms")?,
                })
            })
            .collect()
    }

    /// Withdraws an invitation of a workspace, unless it was used.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn withdraw(&self, workspace: WorkspaceId, invitation: InvitationId) -> Result<(), ApiError> {
        // The digest begins with the id, see `half`.
        let gone =
            sqlx::query("DELETE FROM invitation WHERE workspace = ? AND substr(digest, 1, 16) = ? AND used_ms IS NULL")
                .bind(workspace.0)
                .bind(invitation.0)
                .execute(&self.writer)
                .await?;
        if gone.rows_affected() == 0 { Err(ApiError::NotFound) } else { Ok(()) }
    }

    /// The invitation of this token, if `by` may still use it: nobody has, or they themselves have, be it to make their account or
    /// for an acceptance that was cut short and can be finished. Somebody who is not signed in may be whoever made their account
    /// with it, so they see it until it is accepted.
    ///
    /// # Errors
    /// `InvitationGone`.
    pub async fn invitation(&self, token: &Token, by: Option<AccountId>, now_ms: i64) -> Result<Invitation, ApiError> {
        let row = sqlx::query(
            "SELECT workspace, by, role, email_key, expires_ms FROM invitation \
             WHERE digest = ?1 AND expires_ms > ?2 \
             AND (used_by = ?3 OR (used_ms IS NULL AND (used_by IS NULL OR ?3 IS NULL)))",
        )
        .bind(token.digest().as_slice())
        .bind(now_ms)
        .bind(by.map(|account| account.0))
        .fetch_optional(&self.readers)
        .await?
        .ok_or(ApiError::InvitationGone)?;
        Ok(Invitation {
            workspace: WorkspaceId(row.try_get("workspace")?),
            by: MemberId(row.try_get("by")?),
            role: Role::from_name(row.try_get("role")?).ok_or(ApiError::InvitationGone)?,
            email_key: row.try_get("email_key")?,
            expires_ms: row.try_get("expires_ms")?,
        })
    }

    /// Uses an invitation up for this account, and returns the member it becomes, or was before: somebody who comes back is
    /// the same member again.
    ///
    /// # Errors
    /// `InvitationGone` if somebody else was faster.
    pub async fn claim(&self, token: &Token, account: AccountId, now_ms: i64) -> Result<Claim, ApiError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let digest = token.digest();
        let used = "UPDATE invitation SET used_ms = ?1, used_by = ?2
            WHERE digest = ?3 AND used_ms IS NULL AND (used_by IS NULL OR used_by = ?2)";
        let used =
            sqlx::query(used).bind(now_ms).bind(account.0).bind(digest.as_slice()).execute(&mut *transaction).await?;
        let workspace: Option<Uuid> =
            sqlx::query_scalar("SELECT workspace FROM invitation WHERE digest = ? AND used_by = ?")
                .bind(digest.as_slice())
                .bind(account.0)
                .fetch_optional(&mut *transaction)
                .await?;
        let workspace = workspace.ok_or(ApiError::InvitationGone)?;
        let member: Uuid = sqlx::query_scalar(
            "INSERT INTO membership (workspace, account, member, joined_ms) VALUES (?, ?, ?, ?) \
             ON CONFLICT (workspace, account) DO UPDATE SET removed_ms = iif(?, NULL, removed_ms) RETURNING member",
        )
        .bind(workspace)
        .bind(account.0)
        .bind(Uuid::now_v7())
        .bind(now_ms)
        .bind(used.rows_affected() == 1)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let member = MemberId(member);
        Ok(if used.rows_affected() == 1 { Claim::Now(member) } else { Claim::Before(member) })
    }

    /// Whether a row can be written: what readiness means.
    ///
    /// # Errors
    /// The database's own.
    pub async fn check_writable(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM session WHERE digest = x''").execute(&mut *transaction).await?;
        transaction.rollback().await
    }
}

/// The member an invitation made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// With this call.
    Now(MemberId),
    /// With an earlier call of the same account.
    Before(MemberId),
}

/// Sessions of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// The one with this id.
    One(SessionId),
    /// All but this one.
    AllBut(&'a Digest),
}

/// What a session or an invitation is called before people: the first half of the digest of its token, which opens nothing.
fn half(digest: &Digest) -> Uuid {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(digest) {
        *to = *from;
    }
    Uuid::from_bytes(half)
}

fn digest(row: &sqlx::sqlite::SqliteRow) -> Result<Digest, ApiError> {
    let stored: Vec<u8> = row.try_get("digest")?;
    Digest::try_from(stored).map_err(|stored| {
        tracing::error!(bytes = stored.len(), "A stored digest of a token cannot be read.");
        ApiError::Failed
    })
}

fn membership(row: &sqlx::sqlite::SqliteRow) -> Result<Membership, ApiError> {
    Ok(Membership {
        workspace: WorkspaceId(row.try_get("workspace")?),
        member: MemberId(row.try_get("member")?),
        removed_ms: row.try_get("removed_ms")?,
    })
}
