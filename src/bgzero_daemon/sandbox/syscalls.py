"""Numbers of system calls, for x86_64 and aarch64, as the kernel's headers have them.

Sources: Linux's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. From 424 on both count
alike. None: that machine does not have the call.
"""

MACHINES = ("x86_64", "aarch64")
"""The columns of the tables below, in the words of `os.uname`."""

NEWEST = 469
"""The last call that these tables were made with. Later ones do not exist for a worker."""

Numbers = tuple[int | None, int | None]

DENIED: dict[str, Numbers] = {
    # new sockets; those in hand go on
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # other programs and processes; threads are made by clone, see `seccomp`
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    # looking into other processes, and signals to them
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "kcmp": (312, 272), "perf_event_open": (298, 241),
    "bpf": (321, 280), "userfaultfd": (323, 282), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    # a second way to make every other call
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # what Landlock does not know of files: modes, owners, times, attributes, links, handles
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "removexattrat": (466, 466), "file_setattr": (469, 469), "mknod": (133, None),
    "mknodat": (259, 33), "symlink": (88, None), "symlinkat": (266, 36), "link": (86, None), "linkat": (265, 37),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # truncation by name, of which Landlock's first two versions do not know; descriptors are `ftruncate`'s
    "truncate": (76, 45),
    # looking at places where no file may be opened: what appears there, and what is written beside its content
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "getxattr": (191, 8),
    "lgetxattr": (192, 9), "listxattr": (194, 11), "llistxattr": (195, 12), "getxattrat": (464, 464),
    "listxattrat": (465, 465),
    # when others run
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    # file systems and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "open_tree_attr": (467, 467), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89),
    # the machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116), "iopl": (172, None),
    "ioperm": (173, None), "personality": (135, 92), "modify_ldt": (154, None), "uselib": (134, None),
    "ustat": (136, None), "vhangup": (153, 58), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    # keys and accounts
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "setuid": (105, 146),
    "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147),
    "setresgid": (119, 149), "setfsuid": (122, 151), "setfsgid": (123, 152), "setgroups": (116, 159),
    "capset": (126, 91),
    # memory and messages shared by name
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "semget": (64, 190),
    "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "shmdt": (67, 197), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
    # nobody's business here, or long out of use
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "vmsplice": (278, 75), "remap_file_pages": (216, 234), "move_pages": (279, 239), "migrate_pages": (256, 238),
}  # fmt: skip
"""Refused whatever their arguments are."""

JUDGED: dict[str, Numbers] = {
    "clone": (56, 220), "clone3": (435, 435), "kill": (62, 129), "tgkill": (234, 131),
    "prlimit64": (302, 261), "ioctl": (16, 29), "fcntl": (72, 25), "prctl": (157, 167), "memfd_create": (319, 279),
}  # fmt: skip
"""Refused or not by their arguments; `seccomp` has the rules."""

USED: dict[str, Numbers] = {
    "seccomp": (317, 277), "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}  # fmt: skip
"""What the C library has no function for, and the sandbox itself needs."""


def number(name: str, machine: str) -> int | None:
    """Return a call's number on a machine of `MACHINES`, None where it has none. Raises KeyError for other calls."""
    return (DENIED | JUDGED | USED)[name][MACHINES.index(machine)]
