//! The real kernel: the program as the daemon loads it, run on frames by `BPF_PROG_TEST_RUN`.

use std::time::Duration;

use analyzer::bpf::counted::Event;
use analyzer::bpf::events::EventStream;
use analyzer::bpf::programs::{self, Parts, Programs};
use analyzer::bpf::readings::Readings;
use analyzer::bpf::sizes::Sizes;
use analyzer::bpf::table::Table;
use analyzer_ebpf::maps::{name, program};
use aya::maps::{HashMap, Map, MapData};
use aya::programs::{ProgramInfo, SchedClassifier, TestRun, TestRunOptions, loaded_programs};
use tokio::runtime::{Builder, Runtime};

use crate::netns::Missing;

/// Index of the loopback device, which `BPF_PROG_TEST_RUN` makes its packets come from.
pub(crate) const LOOPBACK: u32 = 1;

/// Where a frame is met.
#[derive(Clone, Copy)]
pub(crate) enum Hook {
    Egress,
    Ingress,
    Mirror,
}

/// The program and its maps.
pub(crate) struct Real {
    pub(crate) table: Table,
    pub(crate) readings: Readings,
    events: EventStream,
    runtime: Runtime,
    /// By [`Hook`].
    classifiers: [SchedClassifier; 3],
    /// Holds the program, and the maps that nobody else does.
    _programs: Programs,
}

impl Real {
    pub(crate) fn new(sizes: &Sizes, nic: u8) -> Result<Self, Missing> {
        let Parts { programs, table, readings, events } =
            programs::load(sizes).map_err(|error| Missing::new(&error.to_string()))?;
        let ids = programs.ids();
        let all: Result<Vec<ProgramInfo>, _> = loaded_programs().collect();
        let mut ours =
            all.map_err(|error| Missing::new(&format!("programs cannot be listed, as root may: {error}")))?;
        ours.retain(|info| ids.contains(&info.id()));
        let maps = ours.iter().flat_map(|info| info.map_ids().unwrap().unwrap_or_default());
        let nics = maps
            .map(|id| MapData::from_id(id).unwrap())
            .find(|data| data.info().unwrap().name_as_str() == Some(name::NICS));
        let nics = Map::HashMap(nics.expect("the program uses the map of NICs"));
        HashMap::<_, u32, u32>::try_from(nics).unwrap().insert(LOOPBACK, u32::from(nic), 0).unwrap();
        let classifiers = [program::EGRESS, program::INGRESS, program::MIRROR].map(|name| {
            let info = ours.iter().find(|info| info.name_as_str() == Some(name)).expect("it is loaded");
            classifier(info.id(), name)
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let events = runtime.block_on(async { events.listen() }).unwrap();
        Ok(Self { table, readings, events, runtime, classifiers, _programs: programs })
    }

    /// Runs the program of a hook on a frame.
    pub(crate) fn run(&self, hook: Hook, frame: &[u8]) {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() };
        let result = self.classifiers[hook as usize].test_run(options);
        let returned = result.unwrap_or_else(|error| panic!("it does not run: {error:?}: {frame:02x?}")).return_value;
        assert_eq!(returned as i32, -1);
    }

    /// All events that are there, of which there are to be so many.
    pub(crate) fn events(&mut self, expected: usize) -> Vec<Event> {
        let Self { events, runtime, .. } = self;
        let mut taken = Vec::new();
        runtime.block_on(async {
            while taken.len() < expected {
                match tokio::time::timeout(Duration::from_secs(5), events.next()).await {
                    Ok(event) => taken.push(event.unwrap()),
                    Err(_) => break,
                }
            }
        });
        taken.extend(std::iter::from_fn(|| events.taken()));
        taken
    }
}

/// A handle of a program that is loaded.
fn classifier(id: u32, name: &'static str) -> SchedClassifier {
    let info = loaded_programs().map(|info| info.unwrap()).find(|info| info.id() == id);
    SchedClassifier::from_program_info(info.expect("it is still loaded"), name.into()).unwrap()
}
