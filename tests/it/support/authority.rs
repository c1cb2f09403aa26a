//! An authority that certifies for tests, by OpenSSL's own program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign::live::{Client, Exchanges, UpstreamTls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::shop::Folder;

/// Kinds of keys, for OpenSSL.
pub(crate) const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
pub(crate) const ED25519: &[&str] = &["-newkey", "ed25519"];
pub(crate) const RSA: &[&str] = &["-newkey", "rsa:2048"];

const BY_CA: [&str; 4] = ["-CA", "ca.pem", "-CAkey", "ca.key"];

/// Its certificates and keys lie in a folder of its own.
pub(crate) struct Authority {
    folder: Folder,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let authority = Self { folder };
        authority.openssl("ca", "basicConstraints = critical, CA:TRUE", EC, &[]);
        authority
    }

    /// A file of its folder.
    pub(crate) fn read(&self, name: &str) -> String {
        self.folder.read(name)
    }

    /// Where that is.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.at(name)
    }

    /// Makes `file.pem` and `file.key` with this extension, and a key of this kind.
    pub(crate) fn issue(&self, file: &str, extension: &str, kind: &[&str]) {
        self.openssl(file, extension, kind, &BY_CA);
    }

    /// What `ssl_certificate` and `ssl_certificate_key` of nginx want for a server of this name.
    pub(crate) fn certify(&self, name: &str) -> String {
        self.issue(name, &format!("subjectAltName = DNS:{name}"), EC);
        let at = |file: String| self.folder.at(&file).display().to_string();
        let (certificate, key) = (at(format!("{name}.pem")), at(format!("{name}.key")));
        format!("ssl_certificate {certificate}; ssl_certificate_key {key};")
    }

    /// What an upstream is spoken to with that it has certified; `client`: it certifies us, too.
    pub(crate) fn tls(&self, client: Option<&str>) -> UpstreamTls {
        let certificate = |name: &str| {
            let pem = self.folder.read(&format!("{name}.pem"));
            CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
        };
        let client = client.map(|name| {
            self.certify(name);
            let key = self.folder.read(&format!("{name}.key"));
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            Client { chain: vec![certificate(name)], key }
        });
        UpstreamTls { roots: vec![certificate("ca")], client, ..UpstreamTls::default() }
    }

    /// Where a file of it is: `ca.pem`, or `NAME.pem` and `NAME.key` of what it has certified.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.at(name).display().to_string()
    }

    /// What a configuration that trusts it comes to.
    pub(crate) fn trusted(&self, mut settings: Exchanges) -> Exchanges {
        let pem = self.folder.read("ca.pem");
        settings.roots = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        settings
    }

    fn openssl(&self, name: &str, extension: &str, kind: &[&str], by: &[&str]) {
        let config = format!("[req]\ndistinguished_name = dn\n[dn]\n[extensions]\n{extension}\n");
        self.folder.write(&format!("{name}.cnf"), config);
        let made = Command::new("openssl")
            .current_dir(self.folder.path())
            .args(["req", "-x509"])
            .args(kind)
            .args(["-nodes", "-days", "2", "-extensions", "extensions"])
            .args(["-subj", &format!("/CN={name}"), "-config", &format!("{name}.cnf")])
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(by)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("openssl: {error}; apt-get install openssl"));
        assert!(made.status.success(), "{made:?}");
    }
}

/// The host is asked at this address.
pub(crate) fn at(mut settings: Exchanges, host: &str, address: SocketAddr) -> Exchanges {
    settings.addresses.insert(countersign::config::Host::parse(host).unwrap(), address);
    settings
}
