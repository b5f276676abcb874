//! The smallest object that holds a program: two instructions in an ELF file (System V ABI, chapter 4; for the
//! instructions Documentation/bpf/standardization/instruction-set.rst).

/// What the program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Program {
    /// A TC classifier that returns `TCX_NEXT`, which leaves the packet to whoever is next.
    Classifier,
    /// An XDP program that returns `XDP_PASS`.
    Xdp,
}

/// Name of the program's symbol.
pub(super) const NAME: &str = "doctor";

/// Section names and the symbol's name, each ended by a zero.
const STRINGS: &[u8] = b"\0classifier\0xdp\0license\0.symtab\0.strtab\0doctor\0";

const HEADER: usize = 64;
const INSTRUCTIONS: usize = 16;
const LICENSE: &[u8] = b"GPL\0";

/// The object, in the byte order of this machine.
pub(super) fn new(program: Program) -> Vec<u8> {
    let (section, result): (&[u8], i32) = match program {
        Program::Classifier => (b"classifier\0", -1),
        Program::Xdp => (b"xdp\0", 2),
    };
    let code = HEADER;
    let license = code + INSTRUCTIONS;
    let symbols = license + LICENSE.len() + 4; // aligned to 8
    let strings = symbols + 2 * 24;
    let sections = (strings + STRINGS.len()).next_multiple_of(8);

    let mut out = Vec::with_capacity(sections + 5 * 64);
    // e_ident: magic, 64 bits, byte order, version 1.
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    out.extend([0x7f, b'E', b'L', b'F', 2, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // e_type ET_REL, e_machine EM_BPF, e_version.
    put16(&mut out, &[1, 247]);
    put32(&mut out, &[1]);
    // e_entry, e_phoff, e_shoff, e_flags.
    put64(&mut out, &[0, 0, sections as u64]);
    put32(&mut out, &[0]);
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    put16(&mut out, &[64, 0, 0, 64, 5, 4]);

    // r0 = result (BPF_ALU64 | BPF_MOV | BPF_K), exit (BPF_JMP | BPF_EXIT).
    out.extend([0xb7, 0, 0, 0]);
    out.extend(result.to_ne_bytes());
    out.extend([0x95, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(LICENSE);
    out.resize(symbols, 0);
    // The symbol with number 0 is empty; the other is a global function in section 1.
    out.resize(symbols + 24, 0);
    put32(&mut out, &[string(NAME.as_bytes())]);
    out.extend([0x12, 0]);
    put16(&mut out, &[1]);
    put64(&mut out, &[0, INSTRUCTIONS as u64]);
    out.extend(STRINGS);
    out.resize(sections, 0);

    out.resize(sections + 64, 0);
    // SHT_PROGBITS 1, SHT_SYMTAB 2, SHT_STRTAB 3; SHF_WRITE 1, SHF_ALLOC 2, SHF_EXECINSTR 4.
    put_section(&mut out, section, [1, 6], code, INSTRUCTIONS, [0, 0, 8, 0]);
    put_section(&mut out, b"license\0", [1, 3], license, LICENSE.len(), [0, 0, 1, 0]);
    put_section(&mut out, b".symtab\0", [2, 0], symbols, 48, [4, 1, 8, 24]);
    put_section(&mut out, b".strtab\0", [3, 0], strings, STRINGS.len(), [0, 0, 1, 0]);
    out
}

/// A section header: name, type and flags, place, then link, info, alignment, size of an entry.
fn put_section(out: &mut Vec<u8>, name: &[u8], kind: [u32; 2], offset: usize, len: usize, rest: [u32; 4]) {
    let [sh_type, flags] = kind;
    let [link, info, align, entry] = rest;
    put32(out, &[string(name), sh_type]);
    put64(out, &[u64::from(flags), 0, offset as u64, len as u64]);
    put32(out, &[link, info]);
    put64(out, &[u64::from(align), u64::from(entry)]);
}

/// Offset of a string in [`STRINGS`].
fn string(name: &[u8]) -> u32 {
    let at = STRINGS.windows(name.len()).position(|window| window == name).unwrap_or(0);
    u32::try_from(at).unwrap_or(0)
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| out.extend(value.to_ne_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| out.extend(value.to_ne_bytes()));
}

fn put64(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| out.extend(value.to_ne_bytes()));
}

#[cfg(test)]
mod tests {
    use aya::EbpfLoader;
    use aya::programs::Program as Loaded;

    use super::*;

    #[test]
    fn programs_are_what_they_say() {
        for program in [Program::Classifier, Program::Xdp] {
            // Opening an object without maps asks the kernel for nothing that takes rights.
            let mut object = EbpfLoader::new().btf(None).load(&new(program)).unwrap();
            let opened = object.program_mut(NAME).unwrap();
            assert_eq!(matches!(opened, Loaded::SchedClassifier(_)), program == Program::Classifier);
            assert_eq!(matches!(opened, Loaded::Xdp(_)), program == Program::Xdp);
        }
    }
}
