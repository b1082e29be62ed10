//! The body of the incident function of `api`: a line in the log for whoever runs the server.

use crate::api::ApiError;
use crate::api::incident::Reported;
use crate::model::id::{DeviceId, MemberId};
use crate::server::caller::{Caller, answer};

/// See `api::incident::report`.
pub async fn report(member: MemberId, device: DeviceId, incident: Reported) -> Result<(), ApiError> {
    answer(async {
        let caller = Caller::here()?;
        let place = caller.place(member).await?;
        place.role()?;
        caller.state.limits.report(member)?;
        tracing::warn!(
            workspace.id = %place.workspace, member.id = %member, device.id = %device, incident = ?incident,
            "A device repaired its copy and reports why. Nothing was lost; if it goes on, look at this device."
        );
        Ok(())
    })
    .await
}
