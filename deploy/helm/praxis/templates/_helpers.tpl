{{- define "praxis.name" -}}
{{- printf "%s-praxis" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "praxis.selector" -}}
app.kubernetes.io/name: praxis
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "praxis.labels" -}}
{{ include "praxis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}
