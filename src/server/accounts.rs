//! Accounts, sessions, workspaces and invitations: what the server must know and no device may hold.

pub mod serve;
