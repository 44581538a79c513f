//! `sasl.jaas.config`: user name and password out of Java's grammar for login modules.
//!
//! ```text
//!  CLASS required NAME="value" NAME='value' NAME=value;
//! ```
//! As Kafka's own parser (its `JaasConfig`, over Java's `StreamTokenizer`) reads it: quotes of both kinds with
//! Java's escapes, and comments. Nothing of a value is ever in an error.

use std::{iter::Peekable, str::Chars};

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// What is wrong with the line, and the way out; it completes "sasl.jaas.config …".
pub(super) type Fault = String;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Bare or quoted.
    Word(String),
    Equals,
    Semicolon,
}

/// The login of the one module that the line names.
pub(super) fn login(line: &str) -> Result<Login, Fault> {
    let mut tokens = tokens(line)?.into_iter();
    let Some(Token::Word(class)) = tokens.next() else {
        return Err(grammar("names no login module"));
    };
    // Of anything else it may be the whole line, with the password.
    if !class.chars().all(|c| c.is_alphanumeric() || "._$-".contains(c)) {
        return Err(grammar(
            "does not begin with the name of a login module (are there quotes around the line?)",
        ));
    }
    match tokens.next() {
        Some(Token::Word(flag))
            if ["required", "requisite", "sufficient", "optional"]
                .contains(&flag.to_lowercase().as_str()) => {}
        _ => return Err(grammar("lacks the word `required` after the login module")),
    }
    check_class(&class)?;
    let (mut user, mut password) = (None, None);
    loop {
        let name = match tokens.next() {
            Some(Token::Word(name)) => name,
            Some(Token::Semicolon) => break,
            Some(Token::Equals) => return Err(grammar("has a `=` without a name")),
            None => return Err(grammar("does not end with a semicolon")),
        };
        let (Some(Token::Equals), Some(Token::Word(value))) = (tokens.next(), tokens.next()) else {
            return Err(grammar("has a name without a value"));
        };
        match name.as_str() {
            "username" => user = Some(value),
            "password" => password = Some(value),
            "tokenauth" if value.eq_ignore_ascii_case("true") => {
                return Err("logs in with a delegation token, which librdkafka cannot; use a user's password".into());
            }
            // Java's modules pass over what they do not know.
            _ => {}
        }
    }
    if tokens.next().is_some() {
        return Err(
            "names more than one login module, and a client has one; remove the others".into()
        );
    }
    match (user, password) {
        (Some(user), Some(password)) => Ok(Login { user, password }),
        _ => {
            Err("names no username and password; add both, or set sasl.username and sasl.password"
                .into())
        }
    }
}

fn grammar(what: &str) -> Fault {
    format!("{what}; write: {LINE}")
}

/// How the line is written.
pub(super) const LINE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"…\" password=\"…\"; \
                    (or plain.PlainLoginModule)";

/// Whether the module asks for no more than a user's name and password.
fn check_class(class: &str) -> Result<(), Fault> {
    match class.rsplit('.').next().unwrap_or(class) {
        "PlainLoginModule" | "ScramLoginModule" => Ok(()),
        "Krb5LoginModule" => Err(format!("wants Kerberos, which is not built in; {PASSWORDS}")),
        "OAuthBearerLoginModule" => Err(format!("wants OAuth, which is not built in; {PASSWORDS}")),
        _ => Err(format!("names the Java class {class}, and this mirror runs none; {PASSWORDS}")),
    }
}

/// The way out where a login is of a kind that is not there.
pub(super) const PASSWORDS: &str = "log in by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or by a client certificate \
                                    (security.protocol=SSL), or keep MirrorMaker for this";

fn tokens(line: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '=' => tokens.push(Token::Equals),
            ';' => tokens.push(Token::Semicolon),
            '"' | '\'' => tokens.push(Token::Word(quoted(next, &mut rest)?)),
            '/' => skip_comment(&mut rest)?,
            blank if blank <= ' ' => {}
            first => {
                let mut word = String::from(first);
                while let Some(more) = rest.next_if(|c| *c > ' ' && !"=;\"'/".contains(*c)) {
                    word.push(more);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// A quoted value, up to its quote.
fn quoted(quote: char, rest: &mut Peekable<Chars<'_>>) -> Result<String, Fault> {
    let mut value = String::new();
    loop {
        match rest.next() {
            Some(end) if end == quote => return Ok(value),
            Some('\\') => match rest.next() {
                Some(digit @ '0'..='7') => value.push(octal(digit, rest)),
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('f') => value.push('\u{c}'),
                Some('b') => value.push('\u{8}'),
                Some('v') => value.push('\u{b}'),
                Some('a') => value.push('\u{7}'),
                Some(other) => value.push(other),
                None => return Err(grammar("has a quote without an end")),
            },
            // Java ends a string at the end of a line, and then finds no name.
            Some('\n' | '\r') | None => return Err(grammar("has a quote without an end")),
            Some(other) => value.push(other),
        }
    }
}

/// Up to three octal digits; a third only after a first of 0 to 3.
fn octal(first: char, rest: &mut Peekable<Chars<'_>>) -> char {
    let mut code = first.to_digit(8).unwrap_or_default();
    for _ in 0..if first <= '3' { 2 } else { 1 } {
        let Some(digit) = rest.peek().and_then(|next| next.to_digit(8)) else { break };
        code = code * 8 + digit;
        rest.next();
    }
    char::from_u32(code).unwrap_or_default()
}

/// `// …` to the end of the line, `/* … */`, and, as Java has it here, a single slash as the former.
fn skip_comment(rest: &mut Peekable<Chars<'_>>) -> Result<(), Fault> {
    if rest.next_if_eq(&'*').is_none() {
        rest.by_ref().find(|next| *next == '\n');
        return Ok(());
    }
    let mut before = ' ';
    for next in rest.by_ref() {
        if before == '*' && next == '/' {
            return Ok(());
        }
        before = next;
    }
    Err(grammar("has a comment without an end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";

    fn check(line: &str, user: &str, password: &str) {
        match login(line) {
            Ok(login) => {
                assert_eq!((login.user.as_str(), login.password.as_str()), (user, password))
            }
            Err(fault) => panic!("{line}: {fault}"),
        }
    }

    fn refused(line: &str, words: &str) {
        let fault = login(line).err().unwrap_or_else(|| panic!("{line} is taken"));
        assert!(fault.contains(words), "{fault:?} lacks {words:?}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }

    #[test]
    fn reads_java_s_grammar() {
        check(&format!(r#"{PLAIN} username="u" password="p=;w";"#), "u", "p=;w");
        check(&format!("{SCRAM}\n  username='u v'\n  password='p\"w' ;"), "u v", "p\"w");
        check(&format!("{SCRAM} password=p-w_1.2 username=u;"), "u", "p-w_1.2");
        check(&format!(r#"{PLAIN} username="a\"b" password="c\\d\te\101";"#), "a\"b", "c\\d\teA");
        check(&format!(r#"{PLAIN} username="1/2" password="a'b" extra="x";"#), "1/2", "a'b");
        check(&format!("{PLAIN} /* who */ username=u // with\n password = \"\" ;"), "u", "");
        check(&PLAIN.replace("required", "REQUIRED username=u password=ü;"), "u", "ü");
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_the_way_out() {
        refused("", "names no login module");
        refused("PlainLoginModule username=u password=s3cret;", "lacks the word `required`");
        refused(&format!("{PLAIN} username=u password=s3cret"), "semicolon");
        refused(&format!("{PLAIN} username=u password=\"s3cret;"), "quote without an end");
        refused(&format!("{PLAIN} username=u password s3cret;"), "a name without a value");
        refused(&format!("{PLAIN} username=u;"), "set sasl.username and sasl.password");
        refused(&format!("{PLAIN} username=u password=s3cret; {PLAIN};"), "more than one");
        refused(&format!("{SCRAM} tokenauth=\"true\" username=u password=s3cret;"), "token");
        refused("com.sun.security.auth.module.Krb5LoginModule required;", "Kerberos");
        refused("org.apache.kafka.OAuthBearerLoginModule required password=s3cret;", "OAuth");
        refused("x.IAMLoginModule required password=s3cret;", "the Java class x.IAMLoginModule");
        refused("Krb5LoginModule required;", "SCRAM-SHA-512");
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_shown() {
        // As a shell would have it, with quotes around the whole line.
        for quote in ['\'', '"'] {
            let line = format!("{quote}{PLAIN} username=u password=s3cret;{quote}");
            refused(&line, "are there quotes around the line?");
        }
        refused("s3cret", "lacks the word `required`");
        refused("username=u password=s3cret;", "lacks the word `required`");
    }
}
