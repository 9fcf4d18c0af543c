#!/usr/bin/env bash
# How this machine reaches what lies outside: proxies for what steps fetch (run.sh reads egress.env) and for Docker's own
# pulls, and the certificates of an authority of the user's own. Nothing of it reaches engines.
# Environment: PROXIES INSIDE DIRECT (of INSIDE, what is no machine of the deployment) AUTHORITY AUTHORITY_HOSTS OWN CONTAINERS,
# and as secrets HTTP_PROXY_URL HTTPS_PROXY_URL
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
ETC=${ETC:-/etc}

status "setting up egress: proxies and authorities"
environment=$TANDEM_HOME/egress.env
: >"$environment.new"
say() { printf '%s=%q\n' "$1" "$2" >>"$environment.new"; }
if [[ -n $PROXIES ]]; then
  # shellcheck disable=SC2153 # of the environment
  for pair in "http_proxy $HTTP_PROXY_URL" "https_proxy $HTTPS_PROXY_URL" "no_proxy $INSIDE"; do
    read -r name value <<<"$pair"
    if [[ -n $value ]]; then
      say "$name" "$value"
      say "${name^^}" "$value"
    fi
  done
fi

if [[ -n $AUTHORITY ]]; then
  system=
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    if [[ -s $file ]]; then system=$file && break; fi
  done
  # apt fetches as a user of its own, which has to read it.
  bundle=$TANDEM_HOME/authorities.pem
  if [[ $OWN == yes ]]; then
    bundle=$ETC/ssl/tandem-$TANDEM_STACK.pem
    mkdir -p "$ETC/ssl"
    undo rm -f "$bundle"
  fi
  { if [[ -n $system ]]; then cat "$system"; fi && printf '%s\n' "$AUTHORITY"; } >"$bundle.new"
  chmod 644 "$bundle.new"
  mv "$bundle.new" "$bundle"
  for name in SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO; do say "$name" "$bundle"; done
fi
mv "$environment.new" "$environment"

for host in $AUTHORITY_HOSTS; do
  folder=$ETC/docker/certs.d/$host
  undo rmdir --ignore-fail-on-non-empty "$folder"
  undo rm -f "$folder/tandem-$TANDEM_STACK.crt"
  mkdir -p "$folder"
  printf '%s\n' "$AUTHORITY" >"$folder/tandem-$TANDEM_STACK.crt"
  chmod 755 "$ETC/docker" "$ETC/docker/certs.d" "$folder"
  chmod 644 "$folder/tandem-$TANDEM_STACK.crt"
done

if [[ $CONTAINERS == yes && $OWN == yes ]]; then
  # In a file that only root reads: `systemctl show` tells everybody what stands in a unit.
  folder=$ETC/systemd/system/docker.service.d
  unit=$folder/tandem-$TANDEM_STACK.conf
  variables=$folder/tandem-$TANDEM_STACK.env
  before=$(cat "$variables" 2>/dev/null || true)
  wanted=''
  if [[ -n $PROXIES ]]; then
    for pair in "HTTP_PROXY=$HTTP_PROXY_URL" "HTTPS_PROXY=$HTTPS_PROXY_URL" "NO_PROXY=localhost,127.0.0.1,::1${DIRECT:+,$DIRECT}"; do
      if [[ -n ${pair#*=} ]]; then wanted+=$pair$'\n'; fi
    done
  fi
  # Docker has no business with the deployment's own machines: one more of them restarts it nowhere.
  if [[ $before != "${wanted%$'\n'}" ]]; then
    if [[ -n $wanted ]]; then
      undo systemctl try-restart docker
      undo systemctl daemon-reload
      undo rm -f "$unit" "$variables"
      mkdir -p "$folder"
      chmod 755 "$folder"
      printf '%s' "$wanted" >"$variables"
      printf '[Service]\nEnvironmentFile=%s\n' "$variables" >"$unit"
      chmod 600 "$variables"
      chmod 644 "$unit"
    else
      rm -f "$unit" "$variables"
    fi
    systemctl daemon-reload
    # Docker reads its proxies when it starts, and at no other time.
    if systemctl is-active --quiet docker; then
      status "restarting Docker, which reads its proxies when it starts"
      systemctl restart docker
    fi
  fi
fi
result "proxy=${PROXIES:+yes} authority=${AUTHORITY:+yes}"
