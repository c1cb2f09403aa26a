#!/bin/sh
# src/engine/certificate/fixtures.sh >fixtures.txt: the certificates of the tests beside it, made
# with OpenSSL 3.0. Private keys are thrown away. Running it again makes other keys: nothing in the
# tests depends on them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
: >index.txt
echo 01 >serial
cat >ca.cnf <<'CNF'
[ca]
default_ca = it
[it]
database = index.txt
serial = serial
new_certs_dir = .
unique_subject = no
policy = any
default_md = sha256
x509_extensions = none
email_in_dn = yes
[any]
countryName = optional
organizationName = optional
commonName = optional
emailAddress = optional
[none]
[req]
distinguished_name = dn
[dn]
CNF

# issue NAME ISSUER SUBJECT FROM UNTIL [EXTENSION...]; FROM and UNTIL as YYYY; an issuer of the same
# name signs itself. DIGEST may be set before, and RSA
# to the bits of a key.
issue() {
    name=$1 issuer=$2 subject=$3 from=$4 until=$5
    shift 5
    if [ ! -e "$name.key" ]; then
        if [ -n "${RSA:-}" ]; then
            openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:$RSA" -out "$name.key"
        else
            openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$name.key"
        fi
    fi
    openssl req -new -key "$name.key" -subj "$subject" -multivalue-rdn -config ca.cnf -out "$name.csr"
    printf '%s\n' "$@" >"$name.ext"
    [ "$name" = "$issuer" ] && selfsign=-selfsign || selfsign=
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config ca.cnf $selfsign -keyfile "$issuer.key" \
        $([ "$name" = "$issuer" ] || echo "-cert $issuer.pem") -md "${DIGEST:-sha256}" \
        -startdate "${from}0101000000Z" -enddate "${until}0101000000Z" -extfile "$name.ext" \
        -in "$name.csr" -out "$name.pem" >openssl.log 2>&1 || { cat openssl.log >&2; exit 1; }
    printf '%s\n' "$name"
    cat "$name.pem"
}
authority='basicConstraints=critical,CA:TRUE'
signs='keyUsage=critical,keyCertSign,cRLSign'
end='basicConstraints=critical,CA:FALSE'
tls='extendedKeyUsage=serverAuth,clientAuth'
host=certs.gateway.example
san="subjectAltName=DNS:$host"

issue root root '/C=US/CN=Root' 2020 2040 "$authority" "$signs"
issue root-without-depth root-without-depth '/CN=Root without depth' 2020 2040 "$authority,pathlen:0" "$signs"
issue root-expired root-expired '/CN=Root expired' 2020 2025 "$authority" "$signs"
issue root-future root-future '/CN=Root of the future' 2026 2040 "$authority" "$signs"
issue stranger stranger '/C=US/CN=Root' 2020 2040 "$authority" "$signs"

issue intermediate root '/CN=Intermediate' 2020 2039 "$authority" "$signs"
issue intermediate-of-stranger stranger '/CN=Intermediate' 2020 2039 "$authority" "$signs"
issue intermediate-below-depth root-without-depth '/CN=Too deep' 2020 2039 "$authority" "$signs"
issue intermediate-of-expired root-expired '/CN=Of expired' 2020 2039 "$authority" "$signs"
issue intermediate-of-future root-future '/CN=Of future' 2020 2039 "$authority" "$signs"
issue intermediate-expired root '/CN=Expired' 2020 2025 "$authority" "$signs"
issue intermediate-for-mail root '/CN=Mail' 2020 2039 "$authority" "$signs" 'extendedKeyUsage=emailProtection'
issue intermediate-for-crls root '/CN=CRLs' 2020 2039 "$authority" 'keyUsage=critical,cRLSign'
issue intermediate-elsewhere root '/CN=Elsewhere' 2020 2039 "$authority" "$signs" \
    'nameConstraints=critical,permitted;DNS:elsewhere.example'
issue intermediate-no-authority root '/CN=No authority' 2020 2039 "$end" 'keyUsage=digitalSignature'
issue intermediate-last root '/CN=Last' 2020 2039 "$authority,pathlen:0" "$signs"
issue intermediate-after-last intermediate-last '/CN=After last' 2020 2039 "$authority" "$signs"
issue depth-1 intermediate '/CN=Depth 1' 2020 2039 "$authority" "$signs"
issue depth-2 depth-1 '/CN=Depth 2' 2020 2039 "$authority" "$signs"
issue depth-3 depth-2 '/CN=Depth 3' 2020 2039 "$authority" "$signs"
issue depth-4 depth-3 '/CN=Depth 4' 2020 2039 "$authority" "$signs"

issue leaf intermediate "/C=US/O=Gateway/CN=$host" 2025 2027 "$end" 'keyUsage=critical,digitalSignature' "$tls" "$san"
for issuer in root stranger intermediate-of-stranger intermediate-below-depth intermediate-of-expired \
    intermediate-of-future intermediate-expired intermediate-for-mail intermediate-for-crls \
    intermediate-no-authority intermediate-after-last depth-3 depth-4; do
    issue "leaf-by-$issuer" "$issuer" "/CN=$host" 2025 2027 "$end" "$tls" "$san"
done
issue leaf-outside intermediate-elsewhere "/CN=$host" 2025 2027 "$end" "$san"
issue leaf-half-outside intermediate-elsewhere "/CN=$host" 2025 2027 "$end" 'subjectAltName=DNS:elsewhere.example'
issue leaf-expired intermediate "/CN=$host" 2022 2024 "$end" "$san"
issue leaf-future intermediate "/CN=$host" 2026 2027 "$end" "$san"
issue leaf-longer-name intermediate "/CN=$host.evil.example" 2025 2027 "$end" "subjectAltName=DNS:$host.evil.example"
issue leaf-name-in-front intermediate "/CN=x$host" 2025 2027 "$end" "subjectAltName=DNS:x$host"
issue leaf-other-case intermediate '/CN=Certs.gateway.example' 2025 2027 "$end" 'subjectAltName=DNS:Certs.gateway.example'
issue leaf-two-names intermediate "/CN=$host/CN=other.example" 2025 2027 "$end" "$san,DNS:other.example"
issue leaf-same-name-twice intermediate "/CN=$host/CN=$host" 2025 2027 "$end" "$san"
issue leaf-two-names-in-one intermediate "/O=x+CN=$host+CN=other.example" 2025 2027 "$end" "$san"
issue leaf-organization intermediate "/O=$host" 2025 2027 "$end" "$san"
issue leaf-common-name-only intermediate "/CN=$host" 2025 2027 "$end"
issue leaf-dns-name-only intermediate '/CN=Gateway' 2025 2027 "$end" "subjectAltName=DNS:other.example,DNS:$host"
issue leaf-wildcard intermediate '/CN=*.gateway.example' 2025 2027 "$end" 'subjectAltName=DNS:*.gateway.example'
issue leaf-for-mail intermediate "/CN=$host" 2025 2027 "$end" "$san" 'extendedKeyUsage=emailProtection'
issue leaf-authority intermediate "/CN=$host" 2025 2027 "$authority" "$signs" "$san"
issue leaf-self-signed leaf-self-signed "/CN=$host" 2025 2027 "$end" "$san"
issue leaf-critical intermediate "/CN=$host" 2025 2027 "$end" "$san" '1.2.3.4=critical,DER:0500'
DIGEST=sha1 issue leaf-sha1 intermediate "/CN=$host" 2025 2027 "$end" "$san"

RSA=2048 issue rsa-root rsa-root '/CN=RSA root' 2020 2040 "$authority" "$signs"
RSA=2048 issue rsa-intermediate rsa-root '/CN=RSA intermediate' 2020 2039 "$authority" "$signs"
RSA=2048 issue rsa-leaf rsa-intermediate "/CN=$host" 2025 2027 "$end" "$tls" "$san"
RSA=1024 issue rsa-intermediate-short rsa-root '/CN=RSA short' 2020 2039 "$authority" "$signs"
issue rsa-leaf-by-short rsa-intermediate-short "/CN=$host" 2025 2027 "$end" "$tls" "$san"

issue apple-intermediate root '/CN=Apple intermediate' 2020 2039 "$authority" "$signs" '1.2.840.113635.100.6.2.1=DER:0500'
issue apple-leaf apple-intermediate '/CN=Apple leaf' 2025 2027 "$end" '1.2.840.113635.100.6.11.1=DER:0500'
issue apple-leaf-unmarked apple-intermediate '/CN=Apple leaf' 2025 2027 "$end"
issue apple-leaf-by-intermediate intermediate '/CN=Apple leaf' 2025 2027 "$end" '1.2.840.113635.100.6.11.1=DER:0500'
issue apple-below apple-intermediate '/CN=Below' 2020 2039 "$authority" "$signs"
issue apple-leaf-below apple-below '/CN=Apple leaf' 2025 2027 "$end" '1.2.840.113635.100.6.11.1=DER:0500'
issue apple-leaf-by-root root '/CN=Apple leaf' 2025 2027 "$end" '1.2.840.113635.100.6.11.1=DER:0500'

# Of `countersign`, by the key of `leaf`.
printf 'signature\n'
printf countersign >message
openssl dgst -sha256 -sign leaf.key message | base64 -w0
echo
