{{- /* What somebody has to be called for, in the order of the runbook. Every replica tells the same of the records: they
share a store. */ -}}
{{- define "gateway.rules" -}}
{{- $of := printf "namespace=%q,service=%q" .Release.Namespace (printf "%s-admin" (include "gateway.fullname" .)) -}}
{{- $facts := dict "of" $of "rule" .Values.prometheusRule -}}
groups:
  - name: {{ include "gateway.fullname" . }}
    rules:
      {{- include "gateway.rulesOfOutcomes" $facts | nindent 6 }}
      {{- include "gateway.rulesOfStores" $facts | nindent 6 }}
      {{- include "gateway.rulesOfCallers" $facts | nindent 6 }}
      {{- include "gateway.rulesOfItself" $facts | nindent 6 }}
{{- end }}

{{- /* That a counter has grown by more than .than within .within, one alert by .by. A series that was not there before has
no increase in Prometheus, though its first event made it: it counts from nought. Six hours, so that an outage of
Prometheus makes none of them new. */ -}}
{{- define "gateway.grew" -}}
{{- $series := printf "idempotency_gateway_%s_total{%s}" .metric .of -}}
sum by ({{ .by }}) (increase({{ $series }}[{{ .within }}])) > {{ .than }}
  or sum by ({{ .by }}) ({{ $series }} unless last_over_time({{ $series }}[6h] offset {{ .within }})) > {{ .than }}
{{- end }}

{{- /* That a gateway is scraped which tells nothing of .metric. */ -}}
{{- define "gateway.untold" -}}
max(absent(idempotency_gateway_{{ .metric }}{ {{- .of -}} }) and on () count(idempotency_gateway_calls_total{ {{- .of -}} })) > 0
{{- end }}
