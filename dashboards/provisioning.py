"""Files that tell a Grafana where the zones bucket is and where the dashboards lie."""

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

_DATASOURCE = """\
# Made by `perch dashboards build`. Goes to /etc/grafana/provisioning/datasources/: this file or the other, never both.
# {advice}
# Grafana's viewers can send any query to a data source: give it a login that reads the zones and nothing else.
apiVersion: 1
prune: false
datasources:
  - name: Perch zones
    uid: perch-zones
    type: influxdb
    access: proxy
    url: $PERCH_INFLUX_URL
    editable: false
"""

INFLUXDB_1 = (
    _DATASOURCE.format(advice="InfluxDB 1.8. Set PERCH_INFLUX_URL and PERCH_ZONES_USER for Grafana's process.")
    + """\
    user: $PERCH_ZONES_USER
    jsonData:
      dbName: perch_zones
      httpMode: GET
    secureJsonData:
      password: $__file{/etc/grafana/perch-zones.password}
"""
)

INFLUXDB_2 = (
    _DATASOURCE.format(advice="InfluxDB 2.x. Set PERCH_INFLUX_URL and PERCH_ZONES_TOKEN for Grafana's process.")
    + """\
    jsonData:
      dbName: perch_zones
      httpMode: GET
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Token $PERCH_ZONES_TOKEN
"""
)
