//! The system call filter: a program for the kernel that lets through what builds need.
//!
//! Calls newer than the list answer "not implemented", so programs fall back; calls that reach into the kernel or out of
//! the sandbox answer "not permitted"; other instruction sets of the same processor answer "not implemented" throughout.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W,
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, c_long, sock_filter,
};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// The last call that was looked at when this list was written.
const LAST_KNOWN: u32 = 469;

/// Set in the number of a call of the x32 instruction set.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// `CLONE_NEW…` flags of `clone` and `unshare`: mount, control group, host name, ipc, user, pid, network.
const NAMESPACES: u32 = 0x7e02_0000;
/// `CLONE_NEWTIME`, for `unshare` only.
const TIME_NAMESPACE: u32 = 0x80;

const FAMILY_ALGORITHM: u32 = 38;
const FAMILY_VIRTUAL_MACHINE: u32 = 40;

/// Personalities that programs need: native and 32-bit Linux, with or without a fixed kernel name, and the query.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// Refused with "not permitted" on every processor.
const REFUSED: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    SYS_SET_MEMPOLICY_HOME_NODE,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    SYS_OPEN_TREE_ATTR,
];

/// Refused with "not permitted" on this processor.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[c_long] = &[];

/// Answered with "not implemented", so that programs use the older way, which the filter can read.
const UNAVAILABLE: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    SYS_STATMOUNT,
    SYS_LISTMOUNT,
];

// Numbers that are the same on all processors and not in every version of the C library's list.
const SYS_SET_MEMPOLICY_HOME_NODE: c_long = 450;
const SYS_STATMOUNT: c_long = 457;
const SYS_LISTMOUNT: c_long = 458;
const SYS_OPEN_TREE_ATTR: c_long = 467;

const ALLOW: u32 = SECCOMP_RET_ALLOW;
const NOT_PERMITTED: u32 = SECCOMP_RET_ERRNO | libc::EPERM as u32;
const NOT_IMPLEMENTED: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const NO_SUCH_FAMILY: u32 = SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;
const PRETEND: u32 = SECCOMP_RET_ERRNO;

/// The filter of a step. With `pretend_groups` setting supplementary groups succeeds without effect: a user namespace with
/// one id has none, and the kernel would refuse even the empty list.
pub(crate) fn program(pretend_groups: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        answer(NOT_IMPLEMENTED),
        load(OFFSET_NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(BPF_JGE, X32, 0, 1), answer(NOT_IMPLEMENTED)]);
    program.extend([jump(BPF_JGE, LAST_KNOWN + 1, 0, 1), answer(NOT_IMPLEMENTED)]);
    for &number in REFUSED.iter().chain(REFUSED_HERE) {
        program.extend(on_call(number, vec![answer(NOT_PERMITTED)]));
    }
    for &number in UNAVAILABLE {
        program.extend(on_call(number, vec![answer(NOT_IMPLEMENTED)]));
    }
    if pretend_groups {
        program.extend(on_call(libc::SYS_setgroups, vec![answer(PRETEND)]));
    }
    program.extend(on_call(libc::SYS_socket, refuse_families()));
    program.extend(on_call(libc::SYS_socketpair, refuse_families()));
    program.extend(on_call(libc::SYS_clone, refuse_flags(NAMESPACES)));
    program.extend(on_call(
        libc::SYS_unshare,
        refuse_flags(NAMESPACES | TIME_NAMESPACE),
    ));
    program.extend(on_call(libc::SYS_personality, allow_personalities()));
    program.push(answer(ALLOW));
    program
}

fn refuse_families() -> Vec<sock_filter> {
    vec![
        load(OFFSET_ARGUMENTS),
        jump(BPF_JEQ, FAMILY_ALGORITHM, 1, 0),
        jump(BPF_JEQ, FAMILY_VIRTUAL_MACHINE, 0, 1),
        answer(NO_SUCH_FAMILY),
        answer(ALLOW),
    ]
}

fn refuse_flags(flags: u32) -> Vec<sock_filter> {
    vec![
        load(OFFSET_ARGUMENTS),
        jump(BPF_JSET, flags, 0, 1),
        answer(NOT_PERMITTED),
        answer(ALLOW),
    ]
}

fn allow_personalities() -> Vec<sock_filter> {
    let mut block = vec![
        load(OFFSET_ARGUMENTS),
        statement(BPF_ALU | BPF_AND | BPF_K, u32::MAX),
    ];
    for personality in PERSONALITIES {
        block.extend([jump(BPF_JEQ, personality, 0, 1), answer(ALLOW)]);
    }
    block.push(answer(NOT_PERMITTED));
    block
}

/// A block for one call; every block ends with an answer, so nothing after it sees a changed accumulator.
fn on_call(number: c_long, block: Vec<sock_filter>) -> Vec<sock_filter> {
    let (number, length) = (number as u32, block.len() as u8);
    std::iter::once(jump(BPF_JEQ, number, 0, length))
        .chain(block)
        .collect()
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn answer(value: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, value)
}

fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k: value,
    }
}

fn jump(condition: u32, value: u32, when_true: u8, when_false: u8) -> sock_filter {
    sock_filter {
        code: (BPF_JMP | condition | BPF_K) as u16,
        jt: when_true,
        jf: when_false,
        k: value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn decide(architecture: u32, number: u32, argument: u32) -> u32 {
        let (program, mut at, mut value) = (program(false), 0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == BPF_LD | BPF_W | BPF_ABS {
                value = match step.k {
                    OFFSET_NUMBER => number,
                    OFFSET_ARCHITECTURE => architecture,
                    OFFSET_ARGUMENTS => argument,
                    other => panic!("load of {other}"),
                };
            } else if code == BPF_RET | BPF_K {
                return step.k;
            } else if code == BPF_ALU | BPF_AND | BPF_K {
                value &= step.k;
            } else {
                let holds = match code & 0xf0 {
                    BPF_JEQ => value == step.k,
                    BPF_JGE => value >= step.k,
                    BPF_JSET => value & step.k != 0,
                    other => panic!("condition {other}"),
                };
                at += usize::from(if holds { step.jt } else { step.jf });
            }
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        for call in [
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_mknodat,
            libc::SYS_ptrace,
            libc::SYS_chroot,
        ] {
            assert_eq!(decide(ARCHITECTURE, call as u32, 0), ALLOW, "call {call}");
        }
    }

    #[test]
    fn dangerous_calls_are_refused() {
        for &call in REFUSED.iter().chain(REFUSED_HERE) {
            assert_eq!(decide(ARCHITECTURE, call as u32, 0), NOT_PERMITTED, "call {call}");
        }
    }

    #[test]
    fn row_63_the_algorithm_family_and_other_instruction_sets_are_refused() {
        let socket = libc::SYS_socket as u32;
        assert_eq!(decide(ARCHITECTURE, socket, 38), NO_SUCH_FAMILY);
        assert_eq!(decide(ARCHITECTURE, socket, 40), NO_SUCH_FAMILY);
        assert_eq!(decide(ARCHITECTURE, socket, 2), ALLOW);
        assert_eq!(
            decide(0x4000_0003, 102, 1),
            NOT_IMPLEMENTED,
            "socketcall of 32-bit x86"
        );
        #[cfg(target_arch = "x86_64")]
        assert_eq!(decide(ARCHITECTURE, socket | X32, 38), NOT_IMPLEMENTED);
    }

    #[test]
    fn new_namespaces_are_refused_and_threads_are_not() {
        let (clone, unshare) = (libc::SYS_clone as u32, libc::SYS_unshare as u32);
        assert_eq!(
            decide(ARCHITECTURE, clone, libc::CLONE_NEWUSER as u32),
            NOT_PERMITTED
        );
        assert_eq!(
            decide(ARCHITECTURE, unshare, libc::CLONE_NEWUSER as u32),
            NOT_PERMITTED
        );
        assert_eq!(
            decide(
                ARCHITECTURE,
                clone,
                libc::CLONE_VM as u32 | libc::CLONE_THREAD as u32
            ),
            ALLOW
        );
        assert_eq!(decide(ARCHITECTURE, unshare, libc::CLONE_FILES as u32), ALLOW);
        assert_eq!(decide(ARCHITECTURE, libc::SYS_clone3 as u32, 0), NOT_IMPLEMENTED);
    }

    #[test]
    fn unknown_calls_are_not_implemented() {
        assert_eq!(decide(ARCHITECTURE, LAST_KNOWN + 1, 0), NOT_IMPLEMENTED);
        assert_eq!(decide(ARCHITECTURE, 9999, 0), NOT_IMPLEMENTED);
    }

    #[test]
    fn only_common_personalities_pass() {
        let personality = libc::SYS_personality as u32;
        assert_eq!(decide(ARCHITECTURE, personality, 8), ALLOW);
        assert_eq!(
            decide(ARCHITECTURE, personality, 0x40_0000),
            NOT_PERMITTED,
            "reading implies executing"
        );
    }
}
