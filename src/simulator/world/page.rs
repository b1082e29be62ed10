//! Pages that the server draws: what they show can be edited before anything has arrived on the device.

use super::{TabId, World};
use crate::simulator::oracle::Broken;
use crate::sync::replica::{Event, Moment};

impl World {
    /// Every other tab is opened by a page that the server drew a moment ago, the others by the shell.
    pub(super) async fn draw(&mut self, id: TabId) -> Result<(), Broken> {
        let device = &self.devices[id.device];
        // A page brings the build of the server that drew it.
        if !device.online || device.updates != self.server.updates || id.life.is_multiple_of(2) {
            return Ok(());
        }
        let (member, now_ms) = (device.identity.member, self.now_ms + device.skew_ms);
        let drawn = self.server.drawn(member).await?;
        let Some(tab) = self.tab(id).filter(|tab| !tab.frozen) else { return Ok(()) };
        let effects = tab.replica.step(Moment { now_ms, jitter: 0 }, Event::Drawn(drawn));
        self.watch_tidemarks(id)?;
        self.carry_out(id, effects).await
    }
}
