//! Bodies and paths that no honest client sends: the right status, the reason, nothing else
//! happens. Log and witness are processes of their own.

use crate::lab::Lab;
use crate::wire::{ask, ask_bytes};

/// The lines of a good add-leaf body.
fn lines(lab: &Lab) -> [String; 3] {
    let lines: Vec<String> = lab.request.lines().map(|line| line.to_owned() + "\n").collect();
    lines.try_into().unwrap()
}

#[track_caller]
fn add_leaf_answers(status: u16, text: &str, body: impl FnOnce(&Lab) -> Vec<u8>) {
    let lab = Lab::shared();
    let answer = ask(lab.log(), "POST", "/add-leaf", &body(&lab));
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().starts_with(&format!("({status}) ")), "{}", answer.text());
    assert!(answer.text().contains(text), "{:?} lacks {text:?}", answer.text());
    assert!(answer.text().ends_with('\n'));
    lab.is_unharmed();
}

/// One test for each way in which an add-leaf body is malformed.
macro_rules! malformed_bodies {
    ($($name:ident: $text:literal, $change:expr;)*) => {
        mod add_leaf {
            use super::*;
            $(#[test]
            fn $name() {
                add_leaf_answers(400, $text, |lab| {
                    let change: fn(&Lab) -> Vec<u8> = $change;
                    change(lab)
                });
            })*
        }
    };
}

malformed_bodies! {
    empty: "line 1: expected message=, found the end", |_| Vec::new();
    keys_in_another_order: "line 1: expected message=", |lab| {
        let [message, signature, key] = lines(lab);
        (signature + &message + &key).into_bytes()
    };
    a_key_twice: "line 2: expected signature=", |lab| {
        let [message, signature, key] = lines(lab);
        (message.clone() + &message + &signature + &key).into_bytes()
    };
    a_key_missing: "line 3: expected public_key=, found the end", |lab| {
        let [message, signature, _] = lines(lab);
        (message + &signature).into_bytes()
    };
    a_key_that_is_unknown: "line 3: expected public_key=", |lab| {
        let [message, signature, key] = lines(lab);
        (message + &signature + &key.replace("public_key", "private_key")).into_bytes()
    };
    crlf: "line 1: invalid byte", |lab| lab.request.replace('\n', "\r\n").into_bytes();
    no_final_newline: "line 3: line does not end in a newline", |lab| {
        lab.request.trim_end().as_bytes().to_vec()
    };
    an_empty_line_behind: "line 4: unexpected data", |lab| (lab.request.clone() + "\n").into_bytes();
    a_byte_behind: "line 4: unexpected data", |lab| (lab.request.clone() + "x").into_bytes();
    a_zero_byte_behind: "line 4: invalid byte", |lab| (lab.request.clone() + "\0").into_bytes();
    a_space_in_front: "line 1: expected message=", |lab| format!(" {}", lab.request).into_bytes();
    spaces_around_the_sign: "line 1: expected message=", |lab| {
        lab.request.replacen('=', " = ", 1).into_bytes()
    };
    a_byte_order_mark: "line 1: invalid byte", |lab| {
        ["\u{feff}".as_bytes(), lab.request.as_bytes()].concat()
    };
    odd_hex: "line 1: not hexadecimal", |lab| {
        let [message, signature, key] = lines(lab);
        (message.trim_end()[..message.len() - 2].to_owned() + "\n" + &signature + &key).into_bytes()
    };
    a_digit_that_is_none: "line 1: not hexadecimal", |lab| {
        let [message, signature, key] = lines(lab);
        (message.trim_end()[..message.len() - 2].to_owned() + "g\n" + &signature + &key).into_bytes()
    };
    a_message_of_31_bytes: "line 1: expected 32 bytes, got 31", |lab| {
        let [message, signature, key] = lines(lab);
        (message.trim_end()[..message.len() - 3].to_owned() + "\n" + &signature + &key).into_bytes()
    };
    a_signature_of_65_bytes: "line 2: expected 64 bytes, got 65", |lab| {
        let [message, signature, key] = lines(lab);
        (message + signature.trim_end() + "00\n" + &key).into_bytes()
    };
    text_that_is_not_ascii: "line 1: invalid byte", |lab| {
        lab.request.replacen("message", "m\u{e9}ssage", 1).into_bytes()
    };
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let lab = Lab::shared();
    for length in (0..lab.request.len()).step_by(13) {
        let answer = ask(lab.log(), "POST", "/add-leaf", &lab.request.as_bytes()[..length]);
        assert_eq!(answer.status, 400, "{length}: {}", answer.text());
    }
    lab.is_unharmed();
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    add_leaf_answers(413, "longer than", |lab| (lab.request.clone() + &"a".repeat(4096)).into());
}

#[test]
fn a_forged_signature_is_refused() {
    add_leaf_answers(403, "", |lab| {
        let [message, signature, key] = lines(lab);
        let forged: String = signature.chars().rev().collect();
        (message + "signature=" + &forged.trim()[..128] + "\n" + &key).into_bytes()
    });
}

/// Paths of the log: status, what its text has in it.
macro_rules! bad_paths {
    ($($name:ident: $path:expr => $status:literal, $text:literal;)*) => {
        mod path {
            use super::*;
            $(#[test]
            fn $name() {
                let lab = Lab::shared();
                let answer = ask(lab.log(), "GET", &$path, b"");
                assert_eq!(answer.status, $status, "{}", answer.text());
                assert!(answer.text().contains($text), "{}", answer.text());
                lab.is_unharmed();
            })*
        }
    };
}

/// Some leaf hash.
fn unknown() -> String {
    "0123456789abcdef".repeat(4)
}

bad_paths! {
    leaves_without_parameters: "/get-leaves/" => 400, "(400) Bad Request";
    leaves_with_one_parameter: "/get-leaves/0" => 400, "(400) Bad Request";
    leaves_with_three_parameters: "/get-leaves/0/1/2" => 400, "(400) Bad Request";
    leaves_with_a_slash_behind: "/get-leaves/0/1/" => 400, "(400) Bad Request";
    leaves_with_a_slash_too_many: "/get-leaves//0/1" => 400, "(400) Bad Request";
    leaves_with_a_plus: "/get-leaves/+0/1" => 400, "not a decimal integer";
    leaves_with_a_minus: "/get-leaves/-1/1" => 400, "not a decimal integer";
    leaves_with_a_leading_zero: "/get-leaves/0/01" => 400, "not a decimal integer";
    leaves_with_two_to_63: "/get-leaves/0/9223372036854775808" => 400, "not a decimal integer";
    leaves_with_two_to_64: "/get-leaves/0/18446744073709551616" => 400, "not a decimal integer";
    leaves_in_hex: "/get-leaves/0x0/1" => 400, "not a decimal integer";
    leaves_with_an_encoded_newline: "/get-leaves/0/1%0a" => 400, "not a decimal integer";
    leaves_with_an_encoded_zero_byte: "/get-leaves/0/1%00" => 400, "not a decimal integer";
    leaves_of_an_empty_range: "/get-leaves/1/1" => 400, "must be less than";
    leaves_of_a_reversed_range: "/get-leaves/2/1" => 400, "must be less than";
    leaves_at_the_end_of_the_tree: "/get-leaves/3/4" => 400, "outside of current tree";
    leaves_far_beyond_the_tree: "/get-leaves/9223372036854775806/9223372036854775807" => 400, "outside of current tree";
    leaves_up_to_beyond_the_tree: "/get-leaves/2/9223372036854775807" => 400, "outside of current tree";
    inclusion_in_the_empty_tree: format!("/get-inclusion-proof/0/{}", unknown()) => 400, "must be larger than one";
    inclusion_in_one_leaf: format!("/get-inclusion-proof/1/{}", unknown()) => 400, "must be larger than one";
    inclusion_beyond_the_tree: format!("/get-inclusion-proof/4/{}", unknown()) => 400, "outside of current tree";
    inclusion_in_two_to_63: format!("/get-inclusion-proof/9223372036854775808/{}", unknown()) => 400, "not a decimal integer";
    inclusion_of_an_unknown_leaf: format!("/get-inclusion-proof/3/{}", unknown()) => 404, "(404) Not Found";
    inclusion_of_odd_hex: format!("/get-inclusion-proof/3/{}", &unknown()[1..]) => 400, "not hexadecimal";
    inclusion_of_a_long_hash: format!("/get-inclusion-proof/3/{}00", unknown()) => 400, "expected 32 bytes, got 33";
    consistency_from_the_empty_tree: "/get-consistency-proof/0/3" => 400, "must be larger than zero";
    consistency_of_a_tree_with_itself: "/get-consistency-proof/3/3" => 400, "must be less than";
    consistency_backwards: "/get-consistency-proof/3/2" => 400, "must be less than";
    consistency_beyond_the_tree: "/get-consistency-proof/1/4" => 400, "outside of current tree";
    tile_beyond_the_tree: "/tile/0/001" => 404, "Not Found";
    tile_that_is_not_full_yet: "/tile/0/000" => 404, "Not Found";
    tile_of_a_level_that_is_not_there: "/tile/1/000.p/1" => 404, "Not Found";
    tile_of_a_level_that_cannot_be: "/tile/64/000" => 404, "Not Found";
    tile_wider_than_the_tree: "/tile/0/000.p/4" => 404, "Not Found";
    tile_of_width_0: "/tile/0/000.p/0" => 404, "Not Found";
    tile_of_width_256: "/tile/0/000.p/256" => 404, "Not Found";
    tile_with_a_leading_zero: "/tile/0/000.p/01" => 404, "Not Found";
    tile_by_another_spelling: "/tile/0/x000/000.p/1" => 404, "Not Found";
    tile_by_way_of_a_parent: "/tile/entries/../0/000.p/3" => 404, "Not Found";
    tile_by_an_encoded_parent: "/tile/%2e%2e/%2e%2e/identity" => 404, "Not Found";
    entries_beyond_the_tree: "/tile/entries/001.p/1" => 404, "Not Found";
    a_file_of_the_data_directory: "/identity" => 404, "404 page not found";
    an_encoded_parent: "/%2e%2e/%2e%2e/etc/passwd" => 404, "404 page not found";
    a_parent: "/../../etc/passwd" => 301, "";
    a_double_slash: "//get-tree-head" => 301, "";
    a_slash_behind: "/get-tree-head/" => 404, "404 page not found";
    capitals: "/GET-TREE-HEAD" => 404, "404 page not found";
    a_very_long_path: format!("/{}", "a".repeat(20_000)) => 431, "";
    very_many_segments: "/a".repeat(7_000) => 404, "404 page not found";
    metrics_are_not_public: "/metrics" => 404, "404 page not found";
}

#[test]
fn a_redirect_stays_on_this_host() {
    let lab = Lab::shared();
    for (path, clean) in
        [("//evil.example/..", "/"), ("///get-tree-head", "/get-tree-head"), ("/..//a/./b", "/a/b")]
    {
        let answer = ask(lab.log(), "GET", path, b"");
        assert_eq!((answer.status, answer.field("location")), (301, Some(clean)), "{path}");
    }
}

#[test]
fn a_path_with_bytes_that_are_no_text_is_refused() {
    let lab = Lab::shared();
    let answer = ask_bytes(lab.log(), "GET", b"/get-leaves/\xff/1", b"");
    assert_eq!(answer.status, 400, "{}", answer.text());
    lab.is_unharmed();
}

#[test]
fn other_methods_are_refused_on_every_endpoint() {
    let lab = Lab::shared();
    let gets = ["/get-tree-head", "/get-leaves/0/1", "/checkpoint", "/tile/0/000.p/1", "/"];
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in gets {
            let answer = ask(lab.log(), method, path, b"");
            assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")), "{path}");
        }
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        for (url, path) in [(lab.log(), "/add-leaf"), (lab.witness(), "/add-checkpoint")] {
            let answer = ask(url, method, path, lab.request.as_bytes());
            assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")), "{path}");
        }
    }
    lab.is_unharmed();
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let lab = Lab::shared();
    let get = ask(lab.log(), "GET", "/get-tree-head", b"");
    let head = ask(lab.log(), "HEAD", "/get-tree-head", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("content-length"), get.field("content-length"));
    assert_eq!(head.field("content-type"), get.field("content-type"));
}

/// Headers of tokens that are none.
#[test]
fn malformed_tokens_are_refused() {
    let lab = Lab::shared();
    let hex = "0".repeat(128);
    let long = format!("{} {hex}", "a".repeat(300));
    for token in ["x", "a b c", "a.example 00", &format!("a.example  {hex}"), &long] {
        let request = format!(
            "POST /add-leaf HTTP/1.1\r\nHost: x\r\nConnection: close\r\nSigsum-Token: {token}\r\n\
             Content-Length: {}\r\n\r\n{}",
            lab.request.len(),
            lab.request
        );
        let answer = crate::wire::exchange(lab.log(), request.as_bytes()).unwrap();
        assert_eq!(answer.status, 400, "{token:?}: {}", answer.text());
        assert!(answer.text().contains("Sigsum-Token"), "{}", answer.text());
    }
    lab.is_unharmed();
}
