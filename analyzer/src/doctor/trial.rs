//! Programs that do nothing, loaded and attached for a try.
//!
//! A thread of our own moves to a new network namespace and attaches to its loopback interface. With the thread and the
//! links both are gone; the machine's interfaces never see the programs.

mod object;

use std::thread;

use aya::programs::links::LinkOrder;
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType, TestRun, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use caps::Capability;
use rustix::thread::UnshareFlags;

use self::object::Program;
use super::check::Check;
use super::rights::Rights;

/// What became of the tries.
struct Tried {
    /// BPF_PROG_TEST_RUN of the classifier.
    runs: Result<(), String>,
    /// Attaching; `None` where that could not be tried.
    attached: Option<Attached>,
}

struct Attached {
    tcx: Result<(), String>,
    clsact: Result<(), String>,
    xdp: Result<(), String>,
}

pub(super) fn checks(rights: &Rights) -> Vec<Check> {
    let may_unshare = rights.has(Capability::CAP_SYS_ADMIN);
    match thread::spawn(move || try_all(may_unshare)).join() {
        Ok(Ok(tried)) => judge(&tried),
        Ok(Err(error)) => vec![Check::missing(
            "loading",
            format!("a program that does nothing cannot be loaded: {error}"),
            "No packet is seen.",
            rights.way_out(),
        )],
        Err(_) => vec![Check::missing(
            "loading",
            "the try ended in a panic",
            "It is not known whether live can run.",
            "Please report this with the kernel's version.",
        )],
    }
}

fn try_all(may_unshare: bool) -> Result<Tried, String> {
    let mut object = EbpfLoader::new().btf(None).load(&object::new(Program::Classifier)).map_err(chain)?;
    let runs = run(classifier(&mut object)?);
    drop(object);
    if !may_unshare {
        return Ok(Tried { runs, attached: None });
    }
    #[expect(deprecated, reason = "its replacement is unsafe for the sake of FILES only, which is not unshared here")]
    let unshared = rustix::thread::unshare(UnshareFlags::NEWNET);
    let attached = unshared.is_ok().then(|| Attached { tcx: tcx(), clsact: clsact(), xdp: xdp() });
    Ok(Tried { runs, attached })
}

fn classifier(object: &mut Ebpf) -> Result<&mut SchedClassifier, String> {
    let program = object.program_mut(object::NAME).ok_or("the program is not in its object")?;
    let program: &mut SchedClassifier = program.try_into().map_err(chain)?;
    program.load().map_err(refusal)?;
    Ok(program)
}

fn run(program: &SchedClassifier) -> Result<(), String> {
    let frame = [0; 64];
    program.test_run(TestRunOptions { data_in: Some(&frame), ..TestRunOptions::new() }).map(drop).map_err(chain)
}

fn tcx() -> Result<(), String> {
    attach(TcAttachOptions::TcxOrder(LinkOrder::first()))
}

fn clsact() -> Result<(), String> {
    qdisc_add_clsact("lo").map_err(chain)?;
    attach(TcAttachOptions::Netlink(NlOptions::default()))
}

fn attach(options: TcAttachOptions) -> Result<(), String> {
    let mut object = EbpfLoader::new().btf(None).load(&object::new(Program::Classifier)).map_err(chain)?;
    let program = classifier(&mut object)?;
    program.attach_with_options("lo", TcAttachType::Egress, options).map(drop).map_err(chain)
}

fn xdp() -> Result<(), String> {
    let mut object = EbpfLoader::new().btf(None).load(&object::new(Program::Xdp)).map_err(chain)?;
    let program = object.program_mut(object::NAME).ok_or("the program is not in its object")?;
    let program: &mut Xdp = program.try_into().map_err(chain)?;
    program.load().map_err(refusal)?;
    program.attach("lo", XdpMode::Skb).map(drop).map_err(chain)
}

/// Why a program is not loaded: the verifier has nothing to say of two instructions.
fn refusal(error: ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, .. } => io_error.to_string(),
        other => chain(other),
    }
}

/// An error with its causes.
fn chain(error: impl Into<anyhow::Error>) -> String {
    crate::commands::message(&error.into())
}

fn judge(tried: &Tried) -> Vec<Check> {
    let mut checks = vec![match &tried.runs {
        Ok(()) => Check::ok("loading", "a program is verified, loaded and run by BPF_PROG_TEST_RUN", "programs run"),
        Err(error) => Check::ok(
            "loading",
            format!("a program is verified and loaded; BPF_PROG_TEST_RUN is refused: {error}"),
            "live does not use test runs",
        ),
    }];
    match &tried.attached {
        None => checks.push(Check::ok(
            "attaching",
            "not tried: a network namespace for the try takes CAP_SYS_ADMIN; live tries TCX, then clsact",
            "whether programs can be attached shows when live starts",
        )),
        Some(attached) => {
            checks.push(judge_tc(attached));
            checks.push(judge_xdp(&attached.xdp));
        }
    }
    checks
}

fn judge_tc(attached: &Attached) -> Check {
    const NAME: &str = "attaching";
    match (&attached.tcx, &attached.clsact) {
        (Ok(()), _) => Check::ok(NAME, "by TCX, beside programs of others", "--tcx-position chooses the place"),
        (Err(_), Ok(())) => Check::ok(
            NAME,
            "by a filter at the clsact qdisc; this kernel has no TCX",
            "--tcx-position has no effect; a filter of a lower priority number runs before ours",
        ),
        (Err(tcx), Err(clsact)) => Check::missing(
            NAME,
            format!("neither by TCX ({tcx}) nor at a clsact qdisc ({clsact})"),
            "No packet is seen.",
            "Use a kernel with CONFIG_NET_XGRESS (6.6 or later), or load sch_ingress and cls_bpf: modprobe -a \
             sch_ingress cls_bpf.",
        ),
    }
}

fn judge_xdp(xdp: &Result<(), String>) -> Check {
    match xdp {
        Ok(()) => Check::ok("xdp", "generic XDP attaches", "--ingress xdp-generic works; xdp takes the driver's help"),
        Err(error) => Check::ok(
            "xdp",
            format!("XDP does not attach ({error}); live needs it only for --ingress xdp"),
            "--ingress tc, the default, does without",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn one_way_to_attach_is_enough() {
        let (yes, no) = (Ok(()), Err("EINVAL".to_owned()));
        for (tcx, clsact, state, expected) in
            [(&yes, &no, State::Ok, "by TCX"), (&no, &yes, State::Ok, "no TCX"), (&no, &no, State::Missing, "neither")]
        {
            let check = judge_tc(&Attached { tcx: tcx.clone(), clsact: clsact.clone(), xdp: Ok(()) });
            assert_eq!(check.state, state);
            assert!(check.found.contains(expected), "{}", check.found);
        }
    }
}
