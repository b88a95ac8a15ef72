"""Configurations as people write them: an agent with one desk, and the site that it stands in."""

DESK = """
[[space]]
id = "d01"
kind = "desk"
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
"""


def agent_toml(port: int, agent: str = "pi-1", more: str = "") -> str:
    """Write the `agent.toml` of an agent of `hq` with its data beside it; `more` is what stands above its spaces."""
    return f'site = "hq"\nagent = "{agent}"\ndata = "data"\n[broker]\nport = {port}\n{more}{DESK}'


def site_toml(spaces: str, site: str = "hq", agent: str = "pi-1") -> str:
    """Write the `site.toml` of a house with one zone, `open` on `f1`; `spaces` are its tables of spaces."""
    return f"""[site]
id = "{site}"
name = "Harbour House"
time_zone = "Europe/Lisbon"
[hours]
mon = "08:00-20:00"
[[floor]]
id = "f1"
name = "First floor"
[[zone]]
id = "open"
floor = "f1"
[[agent]]
id = "{agent}"
{spaces}"""
