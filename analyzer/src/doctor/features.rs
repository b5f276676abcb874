//! Program types, helpers and map types that the kernel program uses, each tried.

use std::fs;

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};

use super::check::Check;
use super::rights::Rights;

/// Map types of the kernel program (`analyzer_ebpf::maps::name`).
const MAPS: &[(MapType, &str)] = &[
    (MapType::Array, "array"),
    (MapType::Hash, "hash"),
    (MapType::LruHash, "LRU hash"),
    (MapType::PerCpuArray, "per-CPU array"),
    (MapType::LpmTrie, "longest-prefix trie"),
    (MapType::RingBuf, "ring buffer"),
];

/// Helpers of the kernel program that are not as old as TC programs themselves.
const HELPERS: &[(BpfHelper, &str)] = &[
    (BpfHelper::BPF_FUNC_skb_load_bytes, "bpf_skb_load_bytes"),
    (BpfHelper::BPF_FUNC_ktime_get_ns, "bpf_ktime_get_ns"),
    (BpfHelper::BPF_FUNC_ringbuf_reserve, "bpf_ringbuf_reserve"),
];

/// Whether a feature is there, or why that could not be tried.
type Tried = Result<bool, String>;

pub(super) fn checks(rights: &Rights) -> Vec<Check> {
    let maps: Vec<(&str, Tried)> = MAPS.iter().map(|(map, name)| (*name, tried(is_map_supported(*map)))).collect();
    let classifier = ProgramType::SchedClassifier;
    let mut code = vec![("TC programs", tried(is_program_supported(classifier)))];
    code.extend(HELPERS.iter().map(|(helper, name)| (*name, tried(is_helper_supported(classifier, *helper)))));
    vec![
        judge("programs", &code, "No packet is seen.", rights.way_out()),
        judge("maps", &maps, "The kernel program cannot keep what it counts.", rights.way_out()),
        judge_batches(fs::read("/sys/kernel/btf/vmlinux").ok().as_deref()),
    ]
}

fn tried(result: Result<bool, impl Into<ProgramError>>) -> Tried {
    result.map_err(|error| match error.into() {
        ProgramError::SyscallError(error) => error.io_error.to_string(),
        other => other.to_string(),
    })
}

/// One check of several features, all of which are needed.
fn judge(name: &str, features: &[(&str, Tried)], means: &str, way_out: &str) -> Check {
    if let Some((feature, error)) = features.iter().find_map(|(name, tried)| Some((name, tried.as_ref().err()?))) {
        return Check::missing(name, format!("trying {feature}: {error}"), means, way_out);
    }
    let with = |wanted: bool| {
        let names = features.iter().filter(|(_, tried)| *tried == Ok(wanted)).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    match with(false) {
        absent if absent.is_empty() => Check::ok(name, with(true), "all that the kernel program uses"),
        absent => Check::missing(
            name,
            format!("this kernel has no {absent}"),
            means,
            "Use a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_ACT, 5.8 or later; until then judge captures with \
             `analyzer replay`.",
        ),
    }
}

/// Whether maps are read in batches, as the kernel's type information tells.
fn judge_batches(btf: Option<&[u8]>) -> Check {
    const NAME: &str = "batches";
    const FUNCTION: &[u8] = b"\0htab_lru_map_lookup_batch\0";
    match btf.map(|btf| btf.windows(FUNCTION.len()).any(|window| window == FUNCTION)) {
        Some(true) => Check::ok(NAME, "maps are read many entries at a time", "reading them is cheap"),
        Some(false) => Check::limited(
            NAME,
            "maps are read one entry at a time in this kernel",
            "Reading large maps takes more of a processor.",
            "Use a kernel from 5.6 on, or lower --max-samples.",
        ),
        None => Check::ok(NAME, "not known without BTF; live tries", "maps may be read one entry at a time"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn one_feature_that_is_missing_is_named() {
        let judge = |features: &[(&str, Tried)]| judge("maps", features, "means", "way out");
        assert_eq!(judge(&[("a", Ok(true)), ("b", Ok(true))]).found, "a, b");
        let absent = judge(&[("a", Ok(true)), ("b", Ok(false))]);
        assert_eq!((absent.state, &*absent.found), (State::Missing, "this kernel has no b"));
        let denied = judge(&[("a", Ok(false)), ("b", Err("denied".to_owned()))]);
        assert_eq!((denied.todo.as_deref(), &*denied.found), (Some("way out"), "trying b: denied"));
    }

    #[test]
    fn batches_by_name_of_the_function() {
        assert_eq!(judge_batches(Some(b"x\0htab_lru_map_lookup_batch\0y")).state, State::Ok);
        assert_eq!(judge_batches(Some(b"\0htab_map_lookup_elem\0")).state, State::Limited);
        assert_eq!(judge_batches(None).state, State::Ok);
    }
}
