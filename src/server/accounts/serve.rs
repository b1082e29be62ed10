//! The bodies of the account and workspace functions of `api`: extract, check, call, answer.

use crate::api::ApiError;
use crate::api::account::{Me, Membership, SessionId, SignedIn};
use crate::api::error::Fault;
use crate::api::seed::{Viewer, WorkspaceName};
use crate::api::workspace::{Invitation, InvitationId, Invited, OpenInvitation};
use crate::model::choice::Role;
use crate::model::id::{AccountId, DeviceId, MemberId, RecordId, WorkspaceId};
use crate::model::kinds::{Kind, Member};
use crate::model::record::Key;
use crate::server::accounts::token::{Digest, Token, clear_cookie};
use crate::server::accounts::{
    self, Account, Claim, EMAIL_CHARS_MAX, INVITATION_MS, NAME_CHARS_MAX, Session, Verified, Which, password,
};
use crate::server::caller::{Caller, answer};
use crate::server::config::SignUp;
use crate::server::core::{NewWorkspace, SystemChange};
use crate::server::state::AppState;
use crate::server::store::{Page, Select, Store as _};
use uuid::Uuid;

/// Members of a workspace that are looked through when its last owner must be found.
const MEMBERS_MAX: usize = 10_000;

/// See `api::account::sign_up`.
pub async fn sign_up(
    name: String,
    email: String,
    password: String,
    invitation: Option<String>,
) -> Result<Me, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        state.limits.make(caller.address())?;
        let (name, email) = (name.trim(), email.trim());
        let faults = [fault_of_name("name", name), fault_of_email(email), password::fault(&password, name, email)];
        let faults: Vec<Fault> = faults.into_iter().flatten().collect();
        if !faults.is_empty() {
            return Err(ApiError::Invalid(faults));
        }
        let now_ms = state.core.now_ms();
        let token = match invitation.filter(|token| !token.is_empty()) {
            Some(token) => {
                let token = Token::read(&token).ok_or(ApiError::InvitationGone)?;
                usable(state, &token, None, email).await?;
                Some(token)
            }
            None if state.config.sign_up == SignUp::Invited && state.accounts.any().await? => {
                return Err(ApiError::InvitationNeeded);
            }
            None => None,
        };
        let verified = state.accounts.create(name, email, password, token.as_ref(), now_ms).await?;
        tracing::info!(account.id = %verified.account.id, "An account was made.");
        let came_for = match token {
            Some(token) => Some(format!("/invitation/{}", token.reveal())),
            None => caller.page_query("next"),
        };
        signed_in(&caller, verified, came_for).await
    })
    .await
}

/// See `api::account::sign_in`.
pub async fn sign_in(email: String, password: String) -> Result<Me, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        caller.state.limits.sign_in(caller.address(), &accounts::email_key(&email))?;
        if email.len() > 4 * EMAIL_CHARS_MAX || password.chars().count() > password::CHARS_MAX {
            return Err(ApiError::WrongPassword);
        }
        let verified = caller.state.accounts.verify(&email, password).await?;
        signed_in(&caller, verified, caller.page_query("next")).await
    })
    .await
}

/// Signs an account in on the caller's browser. A session it already had there ends, so that a token is never inherited.
async fn signed_in(caller: &Caller, verified: Verified, came_for: Option<String>) -> Result<Me, ApiError> {
    let state = &caller.state;
    if let Ok(old) = caller.session().await {
        end(state, &old).await?;
    }
    let token = state.accounts.start_session(&verified, &caller.label(), state.core.now_ms()).await?;
    caller.set_cookie(token.set_cookie()?);
    let session = state.accounts.session(&token, state.core.now_ms()).await?.ok_or(ApiError::Failed)?;
    let me = who_is(state, &session).await?;
    caller.then_show(&me.goes_to(&came_for.unwrap_or_default()));
    Ok(me)
}

/// See `api::account::sign_out`.
pub async fn sign_out() -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        match caller.session().await {
            Ok(session) => end(&caller.state, &session).await?,
            Err(ApiError::SignedOut) => {}
            Err(error) => return Err(error),
        }
        caller.set_cookie(clear_cookie()?);
        caller.then_show("/sign-in");
        Ok(())
    })
    .await
}

async fn end(state: &AppState, session: &Session) -> Result<(), ApiError> {
    state.accounts.end_session(&session.digest).await?;
    state.core.hub().disconnect_session(&session.digest);
    Ok(())
}

/// See `api::account::sessions`.
pub async fn sessions() -> Result<Vec<SignedIn>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let session = caller.session().await?;
        let state = &caller.state;
        state.accounts.sessions(session.account.id, &session.digest, state.core.now_ms()).await
    })
    .await
}

/// See `api::account::end_session`.
pub async fn end_session(id: SessionId) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let session = caller.session().await?;
        match end_some(&caller.state, &session, Which::One(id)).await? {
            0 => Err(ApiError::NotFound),
            _ => Ok(()),
        }
    })
    .await
}

/// See `api::account::end_other_sessions`.
pub async fn end_other_sessions() -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let session = caller.session().await?;
        end_some(&caller.state, &session, Which::AllBut(&session.digest)).await?;
        Ok(())
    })
    .await
}

/// Ends sessions of the same account, with their live channels. Returns how many there were.
async fn end_some(state: &AppState, session: &Session, which: Which<'_>) -> Result<usize, ApiError> {
    let ended = state.accounts.end_sessions(session.account.id, which).await?;
    disconnect(state, &ended);
    Ok(ended.len())
}

fn disconnect(state: &AppState, ended: &[Digest]) {
    for digest in ended {
        state.core.hub().disconnect_session(digest);
    }
}

/// See `api::account::change_password`.
pub async fn change_password(current: String, new: String) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let session = caller.session().await?;
        let Account { id, name, email } = &session.account;
        // Whoever sits down at an open browser guesses no faster than at the door.
        state.limits.sign_in(caller.address(), &accounts::email_key(email))?;
        let wrong = || ApiError::invalid("current", "This is not your password as it is now. Nothing was changed.");
        if current.chars().count() > password::CHARS_MAX {
            return Err(wrong());
        }
        let or_wrong = |error| if error == ApiError::WrongPassword { wrong() } else { error };
        let verified = state.accounts.verify(email, current).await.map_err(or_wrong)?;
        if let Some(fault) = password::fault(&new, name, email) {
            return Err(ApiError::Invalid(vec![Fault { field: "new".to_owned(), ..fault }]));
        }
        let ended = state.accounts.change_password(&verified, new, &session.digest).await.map_err(or_wrong)?;
        disconnect(state, &ended);
        tracing::info!(account.id = %id, sessions.ended = ended.len(), "A password was changed.");
        caller.then_show("/sync");
        Ok(())
    })
    .await
}

/// See `api::account::me`.
pub async fn me() -> Result<Option<Me>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        match caller.session().await {
            Ok(session) => who_is(&caller.state, &session).await.map(Some),
            Err(ApiError::SignedOut) => Ok(None),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Everything a browser may know of who is signed in on it.
///
/// # Errors
/// `Failed`.
pub async fn who_is(state: &AppState, session: &Session) -> Result<Me, ApiError> {
    let mut memberships = Vec::new();
    let mut left = false;
    for place in state.accounts.memberships(session.account.id).await? {
        let Some(role) = state.core.role(place.workspace, place.member).await? else {
            // A removal is seen before it is noted.
            left |= place.removed_ms.is_some() || is_known(state, place.workspace, place.member).await?;
            continue;
        };
        let Some(workspace) = state.core.store().workspace(place.workspace).await? else { continue };
        memberships.push(Membership {
            workspace: workspace.id,
            workspace_name: workspace.name,
            member: place.member,
            role,
        });
    }
    memberships
        .sort_by(|one, other| one.workspace_name.cmp(&other.workspace_name).then(one.workspace.cmp(&other.workspace)));
    let shown = memberships.iter().find(|place| Some(place.member) == session.member).or(memberships.first());
    let viewer = shown.map(|shown| Viewer {
        workspace: shown.workspace,
        workspace_name: shown.workspace_name.clone(),
        member: shown.member,
        name: session.account.name.clone(),
        email: session.account.email.clone(),
        workspaces: memberships
            .iter()
            .map(|place| WorkspaceName { id: place.workspace, name: place.workspace_name.clone() })
            .collect(),
    });
    let Account { id, name, email } = session.account.clone();
    Ok(Me { account: id, name, email, memberships, viewer, left })
}

/// See `api::workspace::create_workspace`.
pub async fn create_workspace(name: String) -> Result<Me, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let session = caller.session().await?;
        state.limits.make(caller.address())?;
        if let Some(fault) = fault_of_name("name", name.trim()) {
            return Err(ApiError::Invalid(vec![fault]));
        }
        let member = make_workspace(state, &session.account, name.trim()).await?;
        show(&caller, session, member).await
    })
    .await
}

/// Makes a workspace with this account as its owner. Cut short in between, it leaves a workspace without people, which nobody
/// sees.
///
/// # Errors
/// `Failed`.
pub async fn make_workspace(state: &AppState, account: &Account, name: &str) -> Result<MemberId, ApiError> {
    let (id, owner) = (WorkspaceId(Uuid::now_v7()), MemberId(Uuid::now_v7()));
    let new = NewWorkspace { id, name: name.to_owned(), owner, owner_name: account.name.clone() };
    state.core.create_workspace(new).await?;
    state.accounts.join(account.id, id, owner, state.core.now_ms()).await?;
    Ok(owner)
}

/// See `api::workspace::switch_workspace`.
pub async fn switch_workspace(workspace: WorkspaceId) -> Result<Me, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let session = caller.session().await?;
        let me = who_is(&caller.state, &session).await?;
        let place = me.memberships.iter().find(|place| place.workspace == workspace).ok_or(ApiError::NotFound)?;
        show(&caller, session, place.member).await
    })
    .await
}

async fn show(caller: &Caller, session: Session, member: MemberId) -> Result<Me, ApiError> {
    caller.state.accounts.show(&session.digest, member).await?;
    caller.then_show("/");
    who_is(&caller.state, &Session { member: Some(member), ..session }).await
}

/// See `api::workspace::invite`.
pub async fn invite(member: MemberId, role: Role, email: Option<String>) -> Result<Invited, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let place = caller.place(member).await?;
        if !may_manage(place.role()?, role) {
            return Err(ApiError::Forbidden);
        }
        state.limits.make(caller.address())?;
        let email = email.filter(|email| !email.trim().is_empty());
        if let Some(fault) = email.as_deref().and_then(|email| fault_of_email(email.trim())) {
            return Err(ApiError::Invalid(vec![fault]));
        }
        let now_ms = state.core.now_ms();
        let invitation = accounts::Invitation {
            workspace: place.workspace,
            by: member,
            role,
            email_key: email.as_deref().map(accounts::email_key),
            expires_ms: now_ms + INVITATION_MS,
        };
        let token = state.accounts.invite(&invitation, now_ms).await?;
        // Everybody reads this, and nobody but who invites needs the address.
        let whom = if email.is_some() { "one person" } else { "whoever has the link" };
        let says = format!("Invited {whom} as {}", role.label().to_lowercase());
        state.core.system(place.workspace, vec![SystemChange::Audit { by: member, says }]).await?;
        Ok(Invited { path: format!("/invitation/{}", token.reveal()), expires_ms: invitation.expires_ms })
    })
    .await
}

/// See `api::workspace::open_invitations`.
pub async fn open_invitations(member: MemberId) -> Result<Vec<OpenInvitation>, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        if place.role()? < Role::Admin {
            return Err(ApiError::Forbidden);
        }
        caller.state.accounts.open_invitations(place.workspace, caller.state.core.now_ms()).await
    })
    .await
}

/// See `api::workspace::withdraw_invitation`.
pub async fn withdraw_invitation(member: MemberId, invitation: InvitationId) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let place = caller.place(member).await?;
        let role = place.role()?;
        if role < Role::Admin {
            return Err(ApiError::Forbidden);
        }
        let open = state.accounts.open_invitations(place.workspace, state.core.now_ms()).await?;
        let open = open.into_iter().find(|open| open.id == invitation).ok_or(ApiError::NotFound)?;
        if !may_manage(role, open.role) {
            return Err(ApiError::Forbidden);
        }
        state.accounts.withdraw(place.workspace, invitation).await?;
        let whom = open.email.as_deref().unwrap_or("whoever has the link");
        let says = format!("Withdrew the invitation for {whom}");
        state.core.system(place.workspace, vec![SystemChange::Audit { by: member, says }]).await?;
        Ok(())
    })
    .await
}

/// Whether somebody of one role may make or remove somebody of another.
fn may_manage(own: Role, other: Role) -> bool {
    own == Role::Owner || (own == Role::Admin && other < Role::Admin)
}

/// See `api::workspace::invitation`.
pub async fn invitation(token: String) -> Result<Invitation, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        state.limits.make(caller.address())?;
        let token = Token::read(&token).ok_or(ApiError::InvitationGone)?;
        let by = caller.session().await.ok().map(|session| session.account.id);
        let found = state.accounts.invitation(&token, by, state.core.now_ms()).await?;
        let workspace = state.core.store().workspace(found.workspace).await?.ok_or(ApiError::InvitationGone)?;
        // Whoever invited may have left since; then their invitation is no longer theirs to give.
        let key = Key::new(Kind::Member, found.by.into());
        let inviter = state.core.records_of(found.workspace, found.by, &Select::Keys(vec![key]), 1).await;
        let inviter = inviter.map_err(|_| ApiError::InvitationGone)?;
        let by = inviter.first().map(|record| Member(record).name().to_owned()).unwrap_or_default();
        let Some(role) = state.core.role(found.workspace, found.by).await? else {
            return Err(ApiError::InvitationGone);
        };
        if !may_manage(role, found.role) {
            return Err(ApiError::InvitationGone);
        }
        Ok(Invitation {
            workspace: workspace.id,
            workspace_name: workspace.name,
            by,
            role: found.role,
            email: found.email_key,
            expires_ms: found.expires_ms,
        })
    })
    .await
}

/// See `api::workspace::accept_invitation`.
pub async fn accept_invitation(token: String) -> Result<Me, ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let session = caller.session().await?;
        caller.state.limits.make(caller.address())?;
        let token = Token::read(&token).ok_or(ApiError::InvitationGone)?;
        let member = accept(&caller.state, &session.account, &token).await?;
        show(&caller, session, member).await
    })
    .await
}

/// The invitation, if it is for whoever has this address and its inviter may still give it.
async fn usable(
    state: &AppState,
    token: &Token,
    account: Option<AccountId>,
    email: &str,
) -> Result<accounts::Invitation, ApiError> {
    let invitation = state.accounts.invitation(token, account, state.core.now_ms()).await?;
    if invitation.email_key.as_ref().is_some_and(|key| *key != accounts::email_key(email)) {
        return Err(ApiError::InvitationForAnother);
    }
    let inviter = state.core.role(invitation.workspace, invitation.by).await?;
    if !inviter.is_some_and(|role| may_manage(role, invitation.role)) {
        return Err(ApiError::InvitationGone);
    }
    Ok(invitation)
}

/// Uses an invitation up, unless they belong to its workspace already. Cut short in between, the same account can do it again
/// and becomes the same member.
///
/// # Errors
/// `InvitationGone`, `InvitationForAnother`.
pub async fn accept(state: &AppState, account: &Account, token: &Token) -> Result<MemberId, ApiError> {
    let invitation = usable(state, token, Some(account.id), &account.email).await?;
    let places = state.accounts.memberships(account.id).await?;
    if let Some(place) = places.iter().find(|place| place.workspace == invitation.workspace)
        && state.core.role(place.workspace, place.member).await?.is_some()
    {
        return Ok(place.member);
    }
    let now_ms = state.core.now_ms();
    let (member, unfinished) = match state.accounts.claim(token, account.id, now_ms).await? {
        Claim::Now(member) => (member, true),
        Claim::Before(member) => (member, !is_known(state, invitation.workspace, member).await?),
    };
    let belongs = state.core.role(invitation.workspace, member).await?.is_some();
    if !belongs && !unfinished {
        return Err(ApiError::InvitationGone);
    }
    if !belongs {
        let join = SystemChange::Join { member, name: account.name.clone(), role: invitation.role };
        let says = format!("{} joined as {}", account.name, invitation.role.label().to_lowercase());
        state.core.system(invitation.workspace, vec![join, SystemChange::Audit { by: member, says }]).await?;
    }
    Ok(member)
}

/// Whether the workspace ever had this member.
async fn is_known(state: &AppState, workspace: WorkspaceId, member: MemberId) -> Result<bool, ApiError> {
    let key = Key::new(Kind::Member, member.into());
    Ok(!state
        .core
        .store()
        .records(workspace, &Select::Keys(vec![key]), Page { count_max: 1, bytes_max: usize::MAX })
        .await?
        .rows
        .is_empty())
}

/// See `api::workspace::remove_member`.
pub async fn remove_member(member: MemberId, remove: MemberId) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let state = &caller.state;
        let place = caller.place(member).await?;
        let own = place.role()?;
        let members = state.core.records_of(place.workspace, member, &Select::Kind(Kind::Member), MEMBERS_MAX).await?;
        let active = || members.iter().map(Member).filter(|person| person.active());
        let leaver = active().find(|person| person.0.id == remove.into()).ok_or(ApiError::NotFound)?;
        let role = leaver.role().unwrap_or(Role::Viewer);
        if remove != member && !may_manage(own, role) {
            return Err(ApiError::Forbidden);
        }
        if role == Role::Owner && active().filter(|person| person.role() == Some(Role::Owner)).count() == 1 {
            return Err(ApiError::LastOwner);
        }
        let says = match remove == member {
            true => format!("{} left", leaver.name()),
            false => format!("Removed {}", leaver.name()),
        };
        let changes = vec![SystemChange::Leave { member: remove }, SystemChange::Audit { by: member, says }];
        state.core.system(place.workspace, changes).await?;
        state.accounts.note_removed(remove, state.core.now_ms()).await?;
        state.core.hub().disconnect_member(place.workspace, remove);
        Ok(())
    })
    .await
}

/// See `api::workspace::register_device`.
pub async fn register_device(member: MemberId, device: DeviceId, name: String) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        if let Some(fault) = fault_of_name("name", name.trim()) {
            return Err(ApiError::Invalid(vec![fault]));
        }
        let agent = caller.label().chars().filter(|letter| !letter.is_control()).take(AGENT_CHARS_MAX).collect();
        let known = Select::Keys(vec![Key::new(Kind::Device, RecordId(device.0))]);
        if caller.state.core.records_of(place.workspace, member, &known, 1).await?.is_empty() {
            caller.state.limits.device(member)?;
        }
        let seen = SystemChange::DeviceSeen { member, device, name: name.trim().to_owned(), agent };
        caller.state.core.system(place.workspace, vec![seen]).await?;
        Ok(())
    })
    .await
}

/// The catalog's limit for `device.agent`.
const AGENT_CHARS_MAX: usize = 200;

fn fault_of_name(field: &str, name: &str) -> Option<Fault> {
    let fault = |says: String| Some(Fault { field: field.to_owned(), says });
    if name.is_empty() {
        return fault("A name is needed.".to_owned());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return fault(format!("The name is longer than {NAME_CHARS_MAX} characters. Shorten it."));
    }
    if name.chars().any(char::is_control) {
        return fault("The name has characters in it that cannot be shown. Type it again.".to_owned());
    }
    None
}

/// Something before and after one @, and no spaces: more than that only sending mail can tell.
fn fault_of_email(email: &str) -> Option<Fault> {
    let shape = email.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !email.chars().any(|c| c.is_whitespace() || c.is_control())
    });
    let fits = email.chars().count() <= EMAIL_CHARS_MAX;
    (!shape || !fits).then(|| Fault {
        field: "email".to_owned(),
        says: "This is not an email address. It looks like name@example.org.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admins_manage_those_below_them_and_owners_everybody() {
        let may: Vec<(Role, Role)> = Role::ALL
            .iter()
            .flat_map(|own| Role::ALL.iter().map(|other| (*own, *other)))
            .filter(|(own, other)| may_manage(*own, *other))
            .collect();
        assert_eq!(
            may,
            [
                (Role::Admin, Role::Viewer),
                (Role::Admin, Role::Member),
                (Role::Owner, Role::Viewer),
                (Role::Owner, Role::Member),
                (Role::Owner, Role::Admin),
                (Role::Owner, Role::Owner),
            ]
        );
    }

    #[test]
    fn addresses_have_one_at_sign_and_no_spaces() {
        for good in ["a@b", "ada.lovelace@example.org", "ädä@exämple.org"] {
            assert_eq!(fault_of_email(good), None, "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c", &format!("{}@b", "a".repeat(300))] {
            assert!(fault_of_email(bad).is_some(), "{bad}");
        }
    }
}
