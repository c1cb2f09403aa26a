//! Keys and signatures made with OpenSSL 3.0 over `countersign`, and what RFC 6979 and RFC 8032
//! publish.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::SignatureAlgorithm::{
    EcdsaP256Sha256, EcdsaP256Sha256Raw, EcdsaP384Sha384, EcdsaP384Sha384Raw, Ed25519,
    RsaPssSha256, RsaPssSha512, RsaSha1, RsaSha256, RsaSha384, RsaSha512,
};
use super::*;
use crate::engine::encoding::Encoding;

const MESSAGE: &[u8] = b"countersign";

// Public keys: base64 of SubjectPublicKeyInfo.
const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkyaiXOAvQxIpTFDRmh3HN9Amhm1PZnCNw1PdGJJWtJTPo8n2wG\
    u4vhgrgHAy3/YTiLIjkVedCOo+RKJ2XI28Ew5sTccMdIXEp6IWHTC9wZVm0ckiHkri7x+eDzgj3g2zQ5GyBSIkEAdHcAqi\
    W8/N9O2AkQVJDAh5kKWwDro8PDxHvg2dCWwIelGCXkeu/Ki/vjOat2jKJfHSts9knhmO8e0TXrzxlPOTB40BuEaLaCNym9\
    ju+WQi+5hWCEDgiTCGWocUw0AZh+3UkAqyRDxS5QAEYaSvNabZNMNQq70lh2W65XZZ7CizWiEEp2G0QvC0dduPCjgxf/rH\
    ZFLNmEazSwIDAQAB";
const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC3Q7vugfNtpJO57C8y6E8lYABXn17+vguGB6b9DGcqF1UQ83MP5EvwEB\
    G5eLoSGi7yHcQ3OgoFelTJOW9K8Sfx1h/eeOq+6ip/rIb79CymVuzewDLtSi5xExMy3+5kzKHMht6XoH+ydx9VaBgyKE5G\
    3vpju5WSJCpxN88PsysYgQIDAQAB";
const RSA_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAO1UmM7BsKFMkcmT2zM0lJx0CG1z14E24VUJXTV7IWNpRlAPl1XduWXRO6dYd5\
    N9MRSBBJhph5pwWrQcVwppRG8CAwEAAQ==";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEinIBjE97SdKKsiWxLDPsBZhfmW/TM0m/awsrelCfakapbn8rdMcv7iscae\
    Cw2Atqwn6pFPMysSSNhEOVyj+pkQ==";
const P384: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEhxYZSb3znP7VDbYGkb16qLgGe2MNytePy8D4FBrouCIkeFNN11uNAGDz8BkloQ\
    gZwzJYOULImt/9FiGV79kyGYrcLk9kaA38TzKFzUHzBK25QlxDc+YieMJiutm4iwew";
const SECP256K1: &str = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEu1tVwwoH8OvF/I3FwpxUsZ0kqEjGkty8GJ+AOOekwH4R4lcPgJqhNnQm7czKX9\
    flrkvrMqnw1pAnpHG03Y6VPw==";
const ED25519: &str = "MCowBQYDK2VwAyEA6VymbinjHrHopKN3cZJQKqWXla/Bnoq1NE5UbzzhiR4=";
const RSA_SHA1: &str = "kQDnyZc76g83k6dxhNfyInvGREkXpy6yTnAaO8Gc8bWG8QUDalBbuuJOvly0f/PVuUhh4nth+51hXtTXb0cJ5e7596jtMw\
    fRIwkLt9kVr+wyGXbanNg8xpRD6NV2opnC7Bw1QWGUh4HAOODwZKB22lBdjIcc3+2ojJclPYaSrP5zuRZ2J6YDS++DhJpK\
    8pEpapp/XHI6fF0mnlP/P5ZGuK6hPk8+dn17bQ3V50iHNuoMg3ETZUU0D9nr4UqIUy7Jt6zu3poY7x+a+4sG8YL7uGcWdR\
    JXup7aKlEzWWYcmYIeK9DQEa7ZrPYVrMvCbwB5gZ+zCBwfGVuUrM7Z3cyWKg==";
const RSA_SHA256: &str = "O5v3yluCs6zDugQTXOzsLUtxMtpaniqnVRV6bsyme07fyJqJRSC056FXgczYflrYq8KvqO1d8J0uJcb4Yo3m71Et187zgj\
    WMYRJaJfqVn0hWlxXMc/d+cUjIOJfMK1oI01P4lb+r1mVngTRlY/lMZS7S/LnINVU0cpRFY9n5184LJoA4nOZDbdXlpquP\
    K+cDiVxowBdLsxErgkMoG48fcCLUc6wDoG4pt3ehrpQHD+gtFAZkgKTf2BEqIyaGRCw4JEwmv1ZCS8Vy+OtFhX9utDT/8w\
    xvZVlcjCu+JAKQX4ah65/7MXJa5hmqHlZ9djXfD+pXJozM4nDDnnvrQdZGoA==";
const RSA_SHA384: &str = "CFZ0uJzG3325Vo6gQV792iRq+Ifbly2iEPSmFwvQkM19aU8gu0yNRtkYeOLWb8dJTLEnE+9PMP+dr9CCWMyz5z0cBmcYHb\
    LtDFxsM0lcRw2B2JlO/CodV4XHnAPE22HkLsAbwAfMDDBH3LkwboQ4OjUkxVdQuFh6LVS5TzqYECqy/5TtWv9NGgXggihj\
    OwbG8iJMtbv4v9xNTw6sXVDwkz2aJu/iACg2dAR52jTuro1hJVovohBtKAQp2+qS7zdR/cqddol9Pn7uDIrjJ7AWjQNcPS\
    0AnnAOyQWlb/PGhvL2SG44uKj7m1lf5DJlkGnWa//240MtNfUOnTJi43D5Ug==";
const RSA_SHA512: &str = "ens4shSsQTZZNky9s6mgv8gxnE48Rz+5NZuix8DhQhfIPUTY/sDNHPo5M0THI5CCK44M6vjRCQXMPvGhYPF8ilE73/0NlJ\
    8B09Daq1wxO0WoSdW49IiB/d2FLJCIJEFAxAOUVTIF5mgyMk8c5tEfkGjYHO0V/Ngk/aj1+2IQ83cJvU1e9t5O+zxZ7UT3\
    gtA23zmGfexmdx8wBIeFdUWfiUTxqCbE5E0VKgIUdDPccZjMM31WC0xX87pbB7agQPbqWMluu13XhEXTUFuM2wh/B/NZaX\
    AxQKO2rdoZ7zDE+H8QRvdNPSHmXRiI3IP0+e/wN3OtR4L9ZZe9mmC5dVERgw==";
const PSS_SHA256: &str = "CouEn6kCizD4cRZX9EFBYDQiEVSB74w2ua/sSFXjtMpJLZlKS7VGipfwssj06uOCXTz0BRmz+vaNvQeyaa7sEj3J7ZDWaN\
    o4eDp5KovwDFos9qUdRtCZlpDaiFl9ton7MrvgWTHhIj1mk+Bla0gso+Fz6pEx/MG7FgZZkFkj+2sB7o3zlgM0oHreCECn\
    h+LDOPm/iIL2ftU8YS4gBim6HFKLdhF2GqPX++4OSkLlfeWRb9S8foiXCcDsJPx7px64YekIHeec5Te2uixY0JWL9i8LSf\
    hSre0bq0jXcD4Ckvg24sM5cnJ3xQlPImlvtqDEivw3KqEUZ3aOdGdTRKOUcg==";
const PSS_SHA512: &str = "Gl+sOvsGI+VZkPv/maR6BDcWxc8J1zdFfsJBuBgoBHtqlniZLtTp0J+e2gQ3PHFGYDU3sfZwIpSxRz607h/YnVqJWN9x75\
    3MyDaq2aHCVC7CYLlk5Tn0ys36ewPgKjbmgdYHhQgIdQexgixuRdZaRpLObvswTbHZ6bkonxXk/r7MsOESss8el1RtHxv5\
    +F3Fm/8VGBPZWgmgTB3uqWztehz0Wm+tBlYLTsV32i5jbR83AanpF/N29itvr0qI6v64pWX2AG3Q7eqj+0+tbvtwnVGIgl\
    KAaKSmrJ/Q0m8HbBQuUtEsU332h5q/7Vq5RSbCeShzaWM/oxtVUEliXYxmcw==";
const PSS_SHA256_LONGEST_SALT: &str = "OGzHhiCshnn0+jzj1QkSc3T3pwbIL1MO1xGYAy6dAny5ARMIV9l6OylUsc4pFw8Bd9EG0No/6UBmGjKWlm3uScDpohXy9t\
    7Nh+e5Q3uuzibFEtkdBuOdWjgGSjIHg3GYC64rUMPdSapRmEx4D3ka2LGRpjix3RPNi4JDao+6414wkcusu2nsqj9v8g8M\
    eCD1P8wKRSJm56Y+5BtMsaNdZ7oHB24awwi/jrtS7s7IG9Y4tnaSkuMx2Y49lrqheetUWf6Jr79sowrk3dvE/gbxwe9AH+\
    SWt1G0WfBaOhB2SNpXPVqFwSJmRm+La/towxLfoNMg2dGJwcPMueT0RFkTgg==";
const RSA_1024_SHA256: &str = "DtFlVk8Bc9o+gyfOY/7N+hw+JpXWr5tN9bHbLPzcmzytmoLebng+Hk0KngPDWlG1uy1bSpwuLi/RmvYO6IhWsedRqHVvxv\
    Z26luBAE1VA8f7pL8fOTk5B/ayiOsq8rbP5ecAwJ7pte70rhXuwINoOt7njtfSupc+OWRcfTBaXnE=";
const P256_DER: &str = "MEYCIQDZ/upwxf8MVMx5fXxYqp6IW1GJ6DnTj9REW58AcWVKHgIhAM5EnjU89IqyoZuVYuVFAyms/WL55chySEz1sZOV2X\
    sH";
const P256_RAW: &str =
    "2f7qcMX/DFTMeX18WKqeiFtRieg504/URFufAHFlSh7ORJ41PPSKsqGblWLlRQMprP1i+eXIckhM9bGTldl7Bw==";
const P384_DER: &str = "MGUCMGDgg7Ft7bnkXf7uAvtTYKlx9xZCzBGfYIsln7W20S85Qn9fpY1uWyV3vKA/R3V78AIxAILa4SFDfc3+XP8Zg9AZTw\
    K59wr3eoTaYlVoan2+fP/vj5GiUFiHStgKp1Pfyv5cwg==";
const P384_RAW: &str = "YOCDsW3tueRd/u4C+1NgqXH3FkLMEZ9giyWftbbRLzlCf1+ljW5bJXe8oD9HdXvwgtrhIUN9zf5c/xmD0BlPArn3Cvd6hN\
    piVWhqfb58/++PkaJQWIdK2AqnU9/K/lzC";
const ED25519_SIGNATURE: &str =
    "xQrROpdC4bjrPlzmioFvijVcyly/Xfi156OzRCXBLC9K+9jkPMo4EhaUA+oNSAIE0IlDo8d6pLbczYtuAWsJAg==";
const P256_CERTIFICATE: &str = "MIIBbDCCARKgAwIBAgITVkyaVsRX2MqYgiPkFjwqIphgjDAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MB4XDTI2MTEyND\
    E0MDYxNloXDTI2MTEyNTE0MDYxNlowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIpyAYxPe0nS\
    irIlsSwz7AWYX5lv0zNJv2sLK3pQn2pGqW5/K3THL+4rHGngsNgLasJ+qRTzMrEkjYRDlco/qZGjUzBRMB0GA1UdDgQWBB\
    SE93Ttnktgdeu/zT5XkvSsT4zgJTAfBgNVHSMEGDAWgBSE93Ttnktgdeu/zT5XkvSsT4zgJTAPBgNVHRMBAf8EBTADAQH/\
    MAoGCCqGSM49BAMCA0gAMEUCIHFafINkH9A8zeT/rbHotzhomM3uzYG/qgVvcwBuIoIIAiEAtdqZoAoMr24q8Qv+2xXhJQ\
    PWCGZ+hvyUs0qpvjeApC4=";
const RSA_2048_PKCS1: &str = "MIIBCgKCAQEAkyaiXOAvQxIpTFDRmh3HN9Amhm1PZnCNw1PdGJJWtJTPo8n2wGu4vhgrgHAy3/YTiLIjkVedCOo+RKJ2XI\
    28Ew5sTccMdIXEp6IWHTC9wZVm0ckiHkri7x+eDzgj3g2zQ5GyBSIkEAdHcAqiW8/N9O2AkQVJDAh5kKWwDro8PDxHvg2d\
    CWwIelGCXkeu/Ki/vjOat2jKJfHSts9knhmO8e0TXrzxlPOTB40BuEaLaCNym9ju+WQi+5hWCEDgiTCGWocUw0AZh+3UkA\
    qyRDxS5QAEYaSvNabZNMNQq70lh2W65XZZ7CizWiEEp2G0QvC0dduPCjgxf/rHZFLNmEazSwIDAQAB";

const P256_X: &str = "inIBjE97SdKKsiWxLDPsBZhfmW_TM0m_awsrelCfakY";
const P256_Y: &str = "qW5_K3THL-4rHGngsNgLasJ-qRTzMrEkjYRDlco_qZE";
const P384_X: &str = "hxYZSb3znP7VDbYGkb16qLgGe2MNytePy8D4FBrouCIkeFNN11uNAGDz8BkloQgZ";
const P384_Y: &str = "wzJYOULImt_9FiGV79kyGYrcLk9kaA38TzKFzUHzBK25QlxDc-YieMJiutm4iwew";
const ED25519_X: &str = "6VymbinjHrHopKN3cZJQKqWXla_Bnoq1NE5UbzzhiR4";
const RSA_N: &str = "kyaiXOAvQxIpTFDRmh3HN9Amhm1PZnCNw1PdGJJWtJTPo8n2wGu4vhgrgHAy3_YTiLIjkVedCOo-\
    RKJ2XI28Ew5sTccMdIXEp6IWHTC9wZVm0ckiHkri7x-eDzgj3g2zQ5GyBSIkEAdHcAqiW8_N9O2AkQVJDAh5kKWwDro8\
    PDxHvg2dCWwIelGCXkeu_Ki_vjOat2jKJfHSts9knhmO8e0TXrzxlPOTB40BuEaLaCNym9ju-WQi-5hWCEDgiTCGWocU\
    w0AZh-3UkAqyRDxS5QAEYaSvNabZNMNQq70lh2W65XZZ7CizWiEEp2G0QvC0dduPCjgxf_rHZFLNmEazSw";

/// Each algorithm with a key for it and the signature of [`MESSAGE`].
const SIGNED: [(SignatureAlgorithm, &str, &str); 11] = [
    (EcdsaP256Sha256, P256, P256_DER),
    (EcdsaP256Sha256Raw, P256, P256_RAW),
    (EcdsaP384Sha384, P384, P384_DER),
    (EcdsaP384Sha384Raw, P384, P384_RAW),
    (Ed25519, ED25519, ED25519_SIGNATURE),
    (RsaPssSha256, RSA_2048, PSS_SHA256),
    (RsaPssSha512, RSA_2048, PSS_SHA512),
    (RsaSha1, RSA_2048, RSA_SHA1),
    (RsaSha256, RSA_2048, RSA_SHA256),
    (RsaSha384, RSA_2048, RSA_SHA384),
    (RsaSha512, RSA_2048, RSA_SHA512),
];

fn base64(text: &str) -> Vec<u8> {
    Encoding::Base64.decode(text.as_bytes()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    Encoding::HexAny.decode(text.as_bytes()).unwrap()
}

fn key(algorithm: SignatureAlgorithm, text: &[u8]) -> PublicKey {
    PublicKey::from_text(algorithm, text)
        .unwrap_or_else(|error| panic!("{algorithm:?}: {error}: {}", text.escape_ascii()))
}

fn pem(label: &str, base64: &str, line_end: &str) -> String {
    let mut pem = format!("-----BEGIN {label}-----{line_end}");
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap());
        pem.push_str(line_end);
    }
    format!("{pem}-----END {label}-----{line_end}")
}

fn refusal(algorithm: SignatureAlgorithm, text: &[u8]) -> String {
    match PublicKey::from_text(algorithm, text) {
        Ok(_) => panic!("{algorithm:?} takes {}", text.escape_ascii()),
        Err(expected) => expected,
    }
}

#[test]
fn every_algorithm_is_named_and_has_a_signature_here() {
    for (algorithm, (signed, ..)) in SignatureAlgorithm::ALL.into_iter().zip(SIGNED) {
        assert_eq!(algorithm, signed);
        assert_eq!(SignatureAlgorithm::from_word(algorithm.as_str()), Some(algorithm));
    }
    assert_eq!(SignatureAlgorithm::from_word("none"), None);
    assert_eq!(SignatureAlgorithm::from_word("RSA-SHA256"), None);
}

#[test]
fn a_signature_verifies_by_its_own_algorithm_and_no_other() {
    for (of_key, text, _) in SIGNED {
        for (of_signature, signed_by, signature) in SIGNED {
            if text == signed_by {
                let verified = key(of_key, text.as_bytes()).verifies(MESSAGE, &base64(signature));
                assert_eq!(verified, of_key == of_signature, "{of_key:?} {of_signature:?}");
            } else {
                assert!(!key(of_key, text.as_bytes()).verifies(MESSAGE, &base64(signature)));
            }
        }
    }
}

#[test]
fn a_changed_message_or_signature_does_not_verify() {
    for (algorithm, text, signature) in SIGNED {
        let (key, signature) = (key(algorithm, text.as_bytes()), base64(signature));
        for message in [&b"countersigm"[..], b"countersign ", b"ountersign", b""] {
            assert!(!key.verifies(message, &signature), "{algorithm:?}");
        }
        for at in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            assert!(!key.verifies(MESSAGE, &flipped), "{algorithm:?}: byte {at}");
        }
        let zeros = vec![0; signature.len()];
        let longer = [&signature[..], &[0]].concat();
        let in_front = [&[0], &signature[..]].concat();
        for other in [&[][..], &signature[1..], &signature[..signature.len() - 1]] {
            assert!(!key.verifies(MESSAGE, other), "{algorithm:?}");
        }
        for other in [&zeros, &longer, &in_front] {
            assert!(!key.verifies(MESSAGE, other), "{algorithm:?}");
        }
    }
}

#[test]
fn a_pss_signature_has_as_much_salt_as_its_digest() {
    let salty = base64(PSS_SHA256_LONGEST_SALT);
    assert!(!key(RsaPssSha256, RSA_2048.as_bytes()).verifies(MESSAGE, &salty));
}

#[test]
fn a_der_signature_is_written_in_one_way() {
    // 30 45 02 20 .. 02 21 00 ..: the same numbers with a zero in front, with a long length.
    let der = base64(P256_DER);
    let key = key(EcdsaP256Sha256, P256.as_bytes());
    assert!(key.verifies(MESSAGE, &der));
    let zero_in_front = [&[0x30, 0x46, 2, 0x21, 0], &der[4..]].concat();
    let long_length = [&[0x30, 0x81, 0x45], &der[2..]].concat();
    let inside = [&[0x30, 0x47], &der[2..], &[5, 0]].concat();
    for other in [zero_in_front, long_length, inside] {
        assert!(!key.verifies(MESSAGE, &other), "{}", other.escape_ascii());
    }
}

#[test]
fn published_signatures_verify() {
    // RFC 6979 §A.2.5 and §A.2.6, over `sample`; RFC 8032 §7.1 test 1, over nothing.
    let p256 = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
                7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
    let p256_sample = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                       F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
    let p384 = "04EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64\
                DEF8F0EA9055866064A254515480BC138015D9B72D7D57244EA8EF9AC0C62189\
                6708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720";
    let p384_sample = "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
                       81A648152E44ACF96E36DD1E80FABE4699EF4AEB15F178CEA1FE40DB2603138F\
                       130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8";
    let ed25519 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let ed25519_nothing = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555\
                           fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    for (algorithm, key, message, signature) in [
        (EcdsaP256Sha256Raw, p256, &b"sample"[..], p256_sample),
        (EcdsaP384Sha384Raw, p384, b"sample", p384_sample),
        (Ed25519, ed25519, b"", ed25519_nothing),
    ] {
        let key = PublicKey::from_der(algorithm, &hex(key)).unwrap();
        assert!(key.verifies(message, &hex(signature)), "{algorithm:?}");
    }
}

#[test]
fn a_key_is_read_in_every_way_in_which_it_is_handed_out() {
    let p256_jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{P256_X}","y":"{P256_Y}"}}"#);
    let p384_jwk = format!(
        r#" {{"kty":"EC","crv":"P-384","alg":"ES384","use":"sig","x":"{P384_X}","y":"{P384_Y}"}} "#
    );
    let ed25519_jwk = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","key_ops":["verify"],"kid":"1","x":"{ED25519_X}"}}"#
    );
    let rsa_jwk = format!(r#"{{"kty":"RSA","e":"AQAB","n":"{RSA_N}"}}"#);
    let rsa_jwk_zero = format!(
        r#"{{"kty":"RSA","e":"AAEAAQ","n":"{}"}}"#,
        Encoding::Base64UrlNoPad.encode(
            &[&[0][..], &Encoding::Base64UrlNoPad.decode(RSA_N.as_bytes()).unwrap()].concat()
        )
    );
    let raw = base64(ED25519)[12..].to_vec();
    let raw_base64 = Encoding::Base64.encode(&raw);
    let mut cases: Vec<(SignatureAlgorithm, Vec<u8>)> = vec![
        (EcdsaP256Sha256, pem("CERTIFICATE", P256_CERTIFICATE, "\r\n").into()),
        (EcdsaP256Sha256, p256_jwk.into()),
        (EcdsaP384Sha384Raw, p384_jwk.into()),
        (Ed25519, ed25519_jwk.into()),
        (Ed25519, raw.clone()),
        (Ed25519, raw_base64.clone().into()),
        (Ed25519, raw_base64.trim_end_matches('=').into()),
        (Ed25519, format!("whpk_{raw_base64}\n").into()),
        (RsaSha256, pem("RSA PUBLIC KEY", RSA_2048_PKCS1, "\n").into()),
        (RsaSha256, RSA_2048_PKCS1.into()),
        (RsaSha256, rsa_jwk.into()),
        (RsaSha256, rsa_jwk_zero.into()),
    ];
    for (algorithm, spki, _) in SIGNED {
        let text = pem("PUBLIC KEY", spki, "\n");
        cases.push((algorithm, format!("issued to x\n{text}").into()));
        cases.push((algorithm, pem("PUBLIC KEY", spki, "\r\n").into()));
        cases.push((algorithm, spki.into()));
        let (first, second) = spki.split_at(20);
        cases.push((algorithm, format!(" {first}\n{second}\n").into()));
        cases.push((algorithm, Encoding::Base64.encode(text.as_bytes()).into()));
        cases.push((algorithm, Encoding::Base64UrlNoPad.encode(&base64(spki)).into()));
    }
    for (algorithm, text) in cases {
        let (.., signature) = SIGNED.into_iter().find(|(found, ..)| *found == algorithm).unwrap();
        let verified = key(algorithm, &text).verifies(MESSAGE, &base64(signature));
        assert!(verified, "{algorithm:?}: {}", text.escape_ascii());
    }
    let small = key(RsaSha256, RSA_1024.as_bytes());
    assert!(small.verifies(MESSAGE, &base64(RSA_1024_SHA256)));
}

#[test]
fn a_key_of_another_kind_is_refused_and_the_error_says_what_was_expected() {
    let cases = [
        (RsaSha256, RSA_512, "an RSA key of 1024 to 8192 bits"),
        (RsaSha384, RSA_1024, "an RSA key of 2048 to 8192 bits"),
        (RsaPssSha256, RSA_1024, "an RSA key of 2048 to 8192 bits"),
        (RsaSha1, P256, "an RSA key of 1024 to 8192 bits"),
        (RsaSha1, ED25519, "an RSA key of 1024 to 8192 bits"),
        (EcdsaP256Sha256, P384, "an EC key on the curve P-256"),
        (EcdsaP256Sha256Raw, SECP256K1, "an EC key on the curve P-256"),
        (EcdsaP256Sha256, RSA_2048, "an EC key on the curve P-256"),
        (EcdsaP384Sha384, P256, "an EC key on the curve P-384"),
        (Ed25519, P256, "an Ed25519 key"),
        (Ed25519, RSA_2048, "an Ed25519 key"),
    ];
    for (algorithm, text, expected) in cases {
        let refusal = refusal(algorithm, text.as_bytes());
        assert_eq!(refusal, format!("not a key for {}: expected {expected}", algorithm.as_str()));
    }
}

#[test]
fn what_is_no_public_key_is_refused_and_the_error_says_what_was_expected() {
    let spki = base64(P256);
    let too_long = vec![b'A'; key::KEY_TEXT_BYTES_MAX + 1];
    let cases: &[(&[u8], &str)] = &[
        (b"", "expected a public key: PEM"),
        (b"no key", "expected a public key: PEM"),
        (b"\xff\xfe", "expected a public key: PEM"),
        (b"-----BEGIN PUBLIC KEY-----", "expected PEM text"),
        (b"-----BEGIN PUBLIC KEY-----!-----END PUBLIC KEY-----", "expected PEM text"),
        (b"-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----", "found `PRIVATE KEY`"),
        (b"-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", "no X.509 certificate"),
        (b"-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", "an EC key on the curve"),
        (b"whpk_AAAA", "32 bytes after whpk_"),
        (b"AAAA", "an EC key on the curve P-256"),
        (b"{", "not JSON"),
        (b"{}", "`kty` is not a text"),
        (&too_long, "at most 16384 bytes"),
    ];
    for (text, expected) in cases {
        let refusal = refusal(EcdsaP256Sha256, text);
        assert!(refusal.contains(expected), "{refusal}: {}", text.escape_ascii());
    }
    for tail in [&b"\0"[..], b"\x05\0"] {
        for (algorithm, spki, _) in SIGNED {
            let longer = [&base64(spki), tail].concat();
            assert!(PublicKey::from_der(algorithm, &longer).is_err(), "{algorithm:?}");
        }
    }
    assert!(PublicKey::from_der(EcdsaP256Sha256, &spki[..spki.len() - 1]).is_err());
}

#[test]
fn a_jwk_is_a_public_key_for_signatures_or_refused() {
    let cases = [
        (r#""d":"AA""#, "a secret one"),
        (r#""k":"AA""#, "a secret one"),
        (r#""use":"enc""#, "for signatures"),
        (r#""use":null"#, "for signatures"),
        (r#""key_ops":["sign"]"#, "for signatures"),
        (r#""key_ops":"verify""#, "for signatures"),
        (r#""alg":"ES384""#, "another algorithm"),
        (r#""alg":7"#, "`alg` is not a text"),
        (r#""kid":7"#, "`kid` is not a text"),
    ];
    for (member, expected) in cases {
        let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{P256_X}","y":"{P256_Y}",{member}}}"#);
        let refusal = refusal(EcdsaP256Sha256, jwk.as_bytes());
        assert!(refusal.contains(expected), "{refusal}: {member}");
    }
    let cases = [
        (r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#.to_owned(), "`x` of 32 bytes"),
        (format!(r#""kty":"EC","crv":"P-256","x":"{P256_X}""#), "`y` is not a text"),
        (format!(r#""kty":"EC","crv":"P-256","x":"{P256_X}=","y":"{P256_Y}""#), "base64url"),
        (format!(r#""kty":"EC","crv":"P-256","x":"{P256_Y}","y":"{P256_X}""#), "an EC key on"),
        (format!(r#""kty":"EC","crv":"P-384","x":"{P384_X}","y":"{P384_Y}""#), "another algorithm"),
        (format!(r#""kty":"EC","crv":"secp256k1","x":"{P256_X}","y":"{P256_Y}""#), "a JWK of RSA"),
        (format!(r#""kty":"OKP","crv":"X25519","x":"{ED25519_X}""#), "a JWK of RSA"),
        (format!(r#""kty":"OKP","crv":"Ed25519","x":"{ED25519_X}""#), "another algorithm"),
        (format!(r#""kty":"RSA","e":"AQAB","n":"{RSA_N}""#), "another algorithm"),
        (r#""kty":"RSA","e":"AQAB","n":"""#.to_owned(), "RSA of at most"),
        (format!(r#""kty":"RSA","e":"AQAB","n":"{}""#, "q".repeat(1400)), "RSA of at most"),
        (r#""kty":"oct","k":"AAAA""#.to_owned(), "a secret one"),
    ];
    for (members, expected) in cases {
        let refusal = refusal(EcdsaP256Sha256, format!("{{{members}}}").as_bytes());
        assert!(refusal.contains(expected), "{refusal}: {members}");
    }
    let list = crate::engine::json::parse(b"[]").unwrap();
    assert!(PublicKey::from_jwk(Ed25519, &list).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_refused(
        text in prop::collection::vec(any::<u8>(), 0..80),
        der in prop::collection::vec(any::<u8>(), 0..99),
    ) {
        for algorithm in SignatureAlgorithm::ALL {
            for found in
                [PublicKey::from_text(algorithm, &text), PublicKey::from_der(algorithm, &der)]
            {
                if let Err(expected) = found {
                    prop_assert!(expected.contains("expected"));
                }
            }
        }
    }
}
