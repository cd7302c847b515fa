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

{{- define "praxis.probe" -}}
{{- $http := (index . 0).Values.http -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  scheme: {{ if $http.tls }}HTTPS{{ else }}HTTP{{ end }}
  # A name that is not of the list is refused, that of the pod's address too.
  httpHeaders:
    - name: Host
      value: {{ first $http.hosts | quote }}
{{- end -}}

{{- define "praxis.environment" -}}
{{- if .Values.database.secret -}}
env:
  - name: PRAXIS_DATABASE
    value: /etc/praxis/database/url
{{- end -}}
{{- end -}}

{{- define "praxis.mounts" -}}
- name: store
  mountPath: /var/lib/praxis
- name: scratch
  mountPath: /tmp
{{- if .Values.contexts.claim }}
- name: contexts
  mountPath: /srv/contexts
  readOnly: true
{{- end }}
{{- if .Values.database.secret }}
- name: database
  mountPath: /etc/praxis/database
  readOnly: true
{{- end }}
{{- end -}}

{{- define "praxis.podSecurity" -}}
{{- $security := deepCopy .Values.podSecurityContext -}}
{{- if .Values.runSteps.enabled -}}
{{- $profile := required "runSteps.seccompProfile: the file on the nodes, relative to the kubelet's directory" .Values.runSteps.seccompProfile -}}
{{- $_ := set $security "seccompProfile" (dict "type" "Localhost" "localhostProfile" $profile) -}}
{{- end -}}
{{- toYaml $security -}}
{{- end -}}
