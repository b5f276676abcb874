//! Logical flows, asked for: those of this chassis' routers by themselves, and those of groups of datapaths.

use std::time::Duration;

use tokio::time::timeout;

use crate::daemon::flows::{Answer, Question};
use crate::engine::fact::Fact;
use crate::ovn::follow::Database;
use crate::ovn::follow::flows::{self, Group};
use crate::ovsdb::client::TlsFiles;
use crate::ovsdb::client::select::{Limits, SelectError, Session};

/// What an answer may take.
const LIMITS: Limits = Limits { bytes: 4 << 20, wait: Duration::from_secs(10) };
/// Routers that are asked for at most: each costs the server a look through all flows.
const MAX_ROUTERS: usize = 64;
/// Questions on groups of datapaths at most.
const MAX_OF_GROUPS: usize = 1024;
/// How often it is tried at most, where groups of datapaths go while they are asked for.
const TRIES: usize = 3;
/// Why flows are not known.
#[derive(Debug, thiserror::Error)]
enum NoFlows {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("{0} gateway routers are more than are asked for ({MAX_ROUTERS})")]
    TooManyRouters(usize),
    #[error("the flows are shared by {0} groups of datapaths, which are more than are asked for")]
    TooManyGroups(usize),
    #[error("groups of datapaths go while they are asked for")]
    Restless,
}

/// Asks.
pub(super) async fn ask(question: Question, tls: Option<TlsFiles>) -> Answer {
    let asked = question.asked;
    let asking = Asking { question, tls };
    let silent = |_| Err(SelectError::Silent(LIMITS.wait).into());
    let flows = timeout(LIMITS.wait, asking.flows()).await.unwrap_or_else(silent);
    Answer { flows: flows.map_err(|error: NoFlows| error.to_string()), asked }
}

/// A question under way.
struct Asking {
    question: Question,
    tls: Option<TlsFiles>,
}

impl Asking {
    async fn flows(&self) -> Result<Vec<Fact>, NoFlows> {
        if self.question.routers.len() > MAX_ROUTERS {
            return Err(NoFlows::TooManyRouters(self.question.routers.len()));
        }
        let database = Database::Southbound { with_northbound: true }.name();
        let mut session = Session::open(database, &self.question.remote, self.tls.as_ref(), LIMITS).await?;
        for _ in 0..TRIES {
            let mut rows = session.select(&flows::own(&self.question.routers)).await?.concat();
            let shared = match session.select(&flows::shared()).await {
                // Before 20.12 there are no groups.
                Err(SelectError::Refused(why)) if why.contains("logical_dp_group") => Vec::new(),
                shared => shared?.concat(),
            };
            if let Some(groups) = self.groups(&mut session, Group::of(&shared)).await? {
                rows.extend(shared);
                return Ok(flows::facts(rows, &groups, &self.question.routers));
            }
        }
        Err(NoFlows::Restless)
    }

    /// Which routers are in the groups; `None` where one of these is gone.
    async fn groups(&self, session: &mut Session, groups: Vec<Group>) -> Result<Option<Vec<Group>>, NoFlows> {
        let selects: Vec<Vec<_>> = groups.iter().map(|group| group.selects(&self.question.routers)).collect();
        if selects.iter().map(Vec::len).sum::<usize>() > MAX_OF_GROUPS {
            return Err(NoFlows::TooManyGroups(groups.len()));
        }
        let told = session.select(&selects.concat()).await?;
        let each = told.chunks(1 + self.question.routers.len());
        Ok(groups.into_iter().zip(each).map(|(group, told)| group.answered(&self.question.routers, told)).collect())
    }
}
