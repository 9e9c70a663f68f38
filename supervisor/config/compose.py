"""Keys of the Compose specification that supinit does not have, each with a sentence that says what to do instead.

The list follows schema/compose-spec.json of github.com/compose-spec/compose-spec. Imported for error messages only.
"""

from __future__ import annotations

_IMAGE = "the programs share the image of their container"
_CONTAINER = "set it where you run the container"
_NETWORK = "the programs share the network of their container; " + _CONTAINER
_STORAGE = "the programs share the file systems of their container; mount them where you run the container"
_LIMITS = "limits on CPU, memory and I/O apply to the whole container; " + _CONTAINER
_DEVICES = "devices belong to the whole container; " + _CONTAINER
_SECURITY = "write no_new_privileges: true for no-new-privileges; profiles apply to the whole container; " + _CONTAINER
_NAMESPACE = "namespaces belong to the whole container; " + _CONTAINER
_METADATA = "it describes a container, not a program; " + _CONTAINER
_ELSEWHERE = "it has no meaning here; remove it"

PROGRAM_KEYS = {
    "annotations": _METADATA,
    "attach": "all output goes to the container's output; write log: {mode: none} to discard it",
    "blkio_config": _LIMITS,
    "build": _IMAGE + "; build it with everything that the programs need",
    "cgroup": _NAMESPACE,
    "cgroup_parent": _LIMITS,
    "configs": "mount the file where you run the container, and name its path in the command",
    "container_name": "a program is named by its key below programs",
    "cpu_count": _LIMITS,
    "cpu_percent": _LIMITS,
    "cpu_period": _LIMITS,
    "cpu_quota": _LIMITS,
    "cpu_rt_period": _LIMITS,
    "cpu_rt_runtime": _LIMITS,
    "cpu_shares": _LIMITS + ", or write nice for the priority of a program",
    "cpus": _LIMITS,
    "cpuset": _LIMITS + ", or start the command with taskset -c",
    "credential_spec": "it is for Windows containers; remove it",
    "deploy": (
        "write scale for replicas, restart and restart_delay for restart_policy, update_config in the program itself;"
        " set resources on the container"
    ),
    "develop": "write watch: [{path: PATH, action: reload or restart}]; supinit copies no files",
    "device_cgroup_rules": _DEVICES,
    "devices": _DEVICES,
    "dns": _NETWORK,
    "dns_opt": _NETWORK,
    "dns_search": _NETWORK,
    "domainname": _NETWORK,
    "entrypoint": "write it in front of the command: command: [ENTRYPOINT, ARGUMENT, ...]",
    "expose": "a program may listen on any port without it; publish ports where you run the container",
    "extends": "use a YAML anchor and a merge key (<<: *name), or include",
    "external_links": _NETWORK,
    "extra_hosts": _NETWORK,
    "gpus": _DEVICES,
    "hostname": _NETWORK,
    "image": _IMAGE + "; install the program in that image",
    "init": "supinit is the init; remove it",
    "ipc": _NAMESPACE,
    "isolation": _NAMESPACE,
    "label_file": _METADATA,
    "labels": _METADATA,
    "links": "the programs reach each other on localhost; write depends_on for the start order",
    "logging": "write log (mode, file, max_size, keep)",
    "mac_address": _NETWORK,
    "mem_limit": _LIMITS,
    "mem_reservation": _LIMITS,
    "mem_swappiness": _LIMITS,
    "memswap_limit": _LIMITS,
    "models": _ELSEWHERE,
    "network_mode": _NETWORK,
    "networks": _NETWORK,
    "oom_kill_disable": "write oom_score_adj: -1000",
    "pid": _NAMESPACE,
    "pids_limit": _LIMITS + ", or write ulimits: {nproc: N}",
    "platform": _IMAGE + "; choose the platform of that image",
    "ports": "the programs share the network of their container; publish ports where you run the container",
    "privileged": "write cap_add for the capabilities that it needs; devices belong to the whole container; "
    + _CONTAINER,
    "provider": _ELSEWHERE,
    "pull_policy": _IMAGE,
    "pull_refresh_after": _IMAGE,
    "read_only": _STORAGE,
    "runtime": _CONTAINER,
    "secrets": "mount the file where you run the container, and write environment: {NAME: {file: PATH}}",
    "security_opt": _SECURITY,
    "shm_size": _STORAGE,
    "stdin_open": "write stdin: inherit for the main program",
    "storage_opt": _STORAGE,
    "sysctls": "kernel parameters belong to the whole container; " + _CONTAINER,
    "tmpfs": _STORAGE,
    "tty": "write stdin: inherit for the main program, which then has the container's terminal",
    "use_api_socket": _STORAGE,
    "userns_mode": _NAMESPACE,
    "uts": _NAMESPACE,
    "volumes": _STORAGE,
    "volumes_from": _STORAGE,
}
"""Keys of a service in Compose."""

TOP_KEYS = {
    "configs": PROGRAM_KEYS["configs"],
    "models": _ELSEWHERE,
    "name": _ELSEWHERE,
    "networks": _NETWORK,
    "secrets": PROGRAM_KEYS["secrets"],
    "services": "write programs",
    "version": _ELSEWHERE,
    "volumes": _STORAGE,
}
"""Keys at the top of a Compose file."""

INCLUDE_KEYS = {
    "env_file": "variables come from supinit's own environment; set them where you run the container",
    "project_directory": "a relative path in include is relative to its file; write the other paths in full",
}
"""Keys of an item of include in Compose."""

UPDATE_KEYS = {"max_failure_ratio": "the first failure decides; write failure_action: continue to go on after failures"}
"""Keys of deploy.update_config in Compose."""

HOOK_KEYS = {"privileged": "a hook has the privileges of its user; write user"}
"""Keys of a hook in Compose."""
