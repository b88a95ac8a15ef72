"""The systemd units of Perch: what runs, as whom, and everything that it may not do.

Each is meant to stay below an exposure of 2.0 by `systemd-analyze security --offline=yes`.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

USER = "perch"
CONFIGURATION, DATA, BACKUPS = "/etc/perch", "/var/lib/perch", "/var/backups/perch"
KEPT_BACKUPS = 14

_Settings = Mapping[str, str | Sequence[str]]

_CONFINED: _Settings = {
    "User": USER,
    "Group": USER,
    "UMask": "0027",
    "WorkingDirectory": DATA,
    "NoNewPrivileges": "true",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "ProtectClock": "true",
    "ProtectControlGroups": "true",
    "ProtectHostname": "true",
    "ProtectKernelLogs": "true",
    "ProtectKernelModules": "true",
    "ProtectKernelTunables": "true",
    "ProtectProc": "invisible",
    "RestrictNamespaces": "true",
    "RestrictRealtime": "true",
    "RestrictSUIDSGID": "true",
    "RemoveIPC": "true",
    "KeyringMode": "private",
    "LockPersonality": "true",
    "MemoryDenyWriteExecute": "true",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
}
"""What every unit has. `ProcSubset=pid` is not among it: the id of the machine's boot lies elsewhere below /proc."""

_NO_DEVICES: _Settings = {
    "PrivateDevices": "true",
    "PrivateUsers": "true",
    "SystemCallFilter": ("@system-service", "~@privileged @resources"),
}
_PINS: _Settings = {
    "SupplementaryGroups": "gpio i2c spi",
    "DevicePolicy": "closed",
    "DeviceAllow": ("char-gpiochip rw", "/dev/gpiomem rw", "char-i2c rw", "char-spi rw"),
    "SystemCallFilter": ("@system-service", "~@privileged @resources"),
}
_NETWORK: _Settings = {"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX"}
_STATE: _Settings = {"StateDirectory": "perch", "StateDirectoryMode": "0750"}
_WATCHED: _Settings = {
    "Type": "notify",
    "NotifyAccess": "main",
    "TimeoutStartSec": "15min",
    "TimeoutStopSec": "20s",
    "WatchdogSec": "90s",
    "Restart": "always",
    "RestartSec": "5s",
    "RestartPreventExitStatus": "2",
}
"""After an upgrade a start may take long: a copy is kept first. A configuration that is wrong is not tried again."""


def collector_unit(program: PurePosixPath) -> str:
    """Give the unit of the collector."""
    return _unit(
        {"Description": "Perch: collector", "After": "network.target mosquitto.service", "Wants": "mosquitto.service"},
        {"ExecStart": _run(program, "collector"), **_WATCHED, **_STATE, **_NETWORK, **_CONFINED, **_NO_DEVICES},
    )


def api_unit(program: PurePosixPath) -> str:
    """Give the unit of the API."""
    return _unit(
        {"Description": "Perch: API and page", "After": "network.target mosquitto.service perch-collector.service"},
        {
            "ExecStart": _run(program, "api"),
            **_WATCHED,
            **_STATE,
            **_NETWORK,
            **_CONFINED,
            **_NO_DEVICES,
            "LimitNOFILE": "16384",
        },
    )


def agent_unit(program: PurePosixPath) -> str:
    """Give the unit of an agent: it may use pins, and the libraries for them write beside it."""
    return _unit(
        {
            "Description": "Perch: agent",
            "After": "network.target time-sync.target",
            "ConditionPathExists": f"{CONFIGURATION}/agent.toml",
        },
        {
            "ExecStart": _run(program, "agent", "agent.toml"),
            **_WATCHED,
            **_STATE,
            **_NETWORK,
            **_CONFINED,
            **_PINS,
        },
    )


def backup_unit(program: PurePosixPath) -> str:
    """Give the unit that makes a backup: it has no network, and may read what only root may, the broker's keys."""
    config = f"{CONFIGURATION}/perch.toml"
    return _unit(
        {"Description": "Perch: backup", "ConditionPathExists": f"{DATA}/journal.db"},
        {
            "Type": "oneshot",
            "ExecStart": f"{program} backup {BACKUPS} --keep {KEPT_BACKUPS} --config {config}",
            "ReadWritePaths": f"{DATA} {BACKUPS}",
            "Nice": "10",
            "IOSchedulingClass": "idle",
            "PrivateNetwork": "true",
            "IPAddressDeny": "any",
            "RestrictAddressFamilies": "AF_UNIX",
            **_CONFINED,
            **_NO_DEVICES,
            "PrivateUsers": "false",
            "CapabilityBoundingSet": "CAP_DAC_READ_SEARCH",
            "AmbientCapabilities": "CAP_DAC_READ_SEARCH",
        },
        install="",
    )


def backup_timer() -> str:
    """Give the timer that has a backup made each night."""
    return (
        "[Unit]\nDescription=Perch: a backup each night\n\n"
        "[Timer]\nOnCalendar=*-*-* 02:30\nRandomizedDelaySec=15m\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _run(program: PurePosixPath, command: str, name: str = "perch.toml") -> str:
    return f"{program} {command} --config {CONFIGURATION}/{name}"


def _unit(head: Mapping[str, str], service: _Settings, install: str = "WantedBy=multi-user.target") -> str:
    parts = [_section("Unit", head), _section("Service", service)]
    return "\n".join([*parts, f"[Install]\n{install}\n"] if install else parts)


def _section(name: str, settings: _Settings) -> str:
    lines = [
        f"{key}={value}"
        for key, values in settings.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return "\n".join([f"[{name}]", *lines, ""])
