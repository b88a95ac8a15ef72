"""Files that tell a Grafana where the buckets are and where the dashboards lie."""

PROVIDER = """\
# Made by `perch dashboards build`. Goes to /etc/grafana/provisioning/dashboards/.
apiVersion: 1
providers:
  - name: perch
    type: file
    folder: Perch
    folderUid: perch
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 60
    options:
      path: /var/lib/grafana/dashboards/perch
"""

PROVIDER_OF_SPACES = """\
# Made by `perch dashboards build`. Goes to /etc/grafana/provisioning/dashboards/, only where single spaces may be seen.
# Give the folder's permissions to those who may, and to nobody else.
apiVersion: 1
providers:
  - name: perch-spaces
    type: file
    folder: Perch spaces
    folderUid: perch-spaces
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 60
    options:
      path: /var/lib/grafana/dashboards/perch-spaces
"""

_DATASOURCE = """\
# Made by `perch dashboards build`. Goes to /etc/grafana/provisioning/datasources/: this file or the other, never both.
# {version}. Set PERCH_INFLUX_URL and {login} for Grafana's process.
# {advice}
apiVersion: 1
prune: false
datasources:
  - name: Perch {name}
    uid: perch-{name}
    type: influxdb
    access: proxy
    url: $PERCH_INFLUX_URL
    editable: false
"""

_LOGIN_1 = """\
    user: ${login}
    jsonData:
      dbName: {bucket}
      httpMode: GET
    secureJsonData:
      password: $__file{{/etc/grafana/perch-{name}.password}}
"""

_LOGIN_2 = """\
    jsonData:
      dbName: {bucket}
      httpMode: GET
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Token ${login}
"""

_ZONES = "Grafana's viewers can send any query to a data source: give it a login that reads the zones and nothing else."
_SPACES = "It tells of single spaces, and so of people: make it only where all who may use this Grafana may know that."


def influxdb_1(name: str) -> str:
    """Describe a data source of InfluxDB 1.8: the bucket of `zones` or of `spaces`."""
    return _source("InfluxDB 1.8", name, f"PERCH_{name.upper()}_USER", _LOGIN_1)


def influxdb_2(name: str) -> str:
    """Describe a data source of InfluxDB 2.x: the bucket of `zones` or of `spaces`."""
    return _source("InfluxDB 2.x", name, f"PERCH_{name.upper()}_TOKEN", _LOGIN_2)


def _source(version: str, name: str, login: str, access: str) -> str:
    said = {"zones": ("perch_zones", _ZONES), "spaces": ("perch", _SPACES)}
    bucket, advice = said[name]
    head = _DATASOURCE.format(version=version, login=login, advice=advice, name=name)
    return head + access.format(login=login, bucket=bucket, name=name)
