//! What the browser shows in the end: whole pages, without scripts and without
//! anything from elsewhere.

use std::fmt::Write as _;

use http::StatusCode;

const STYLE: &str = "\
:root{color-scheme:light dark;font:1.05rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center}\
main{max-width:34rem;padding:2rem}\
h1{font-size:1.5rem;margin:0 0 1rem;padding-left:.8rem;border-left:.35rem solid #2e8b57}\
.failed h1{border-color:#c0392b}\
p{margin:.5rem 0;overflow-wrap:anywhere}";

/// Nothing but our own style, known by its hash; in nobody's frame.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
     style-src 'sha256-QhplFxsSB3IqRWsH4X7icmZ5x3WTa2WCxCImJAT0RAI='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page: how a login ended, for the person at the browser. Every text in it is
/// escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    status: StatusCode,
    path: &'static str,
    html: String,
}

impl Page {
    /// The login is done. `lines` say whose, `return_to` where to go on: "your
    /// terminal".
    pub fn success(lines: &[&str], return_to: &str) -> Self {
        let end = format!("You can close this tab and go back to {return_to}.");
        let paragraphs: Vec<&str> = lines.iter().copied().chain([end.as_str()]).collect();
        Self::new(StatusCode::OK, "/done", "You are logged in", &paragraphs)
    }

    /// The login failed, for this reason.
    pub fn failure(reason: &str, return_to: &str) -> Self {
        let end = format!("You can close this tab and go back to {return_to}.");
        Self::new(
            StatusCode::OK,
            "/failed",
            "The login failed",
            &[&sentence(reason), &end],
        )
    }

    /// The answer of the authorization server is here, but what becomes of it takes
    /// longer than a browser should wait.
    pub fn unfinished(return_to: &str) -> Self {
        let end = format!("You can close this tab; {return_to} shows how it ends.");
        Self::new(StatusCode::OK, "/unfinished", "The login is not finished yet", &[&end])
    }

    /// An answer that belongs to no login that waits here.
    pub(crate) fn stray() -> Self {
        let text = "This answer belongs to another login, or to none. The login that waits here goes on waiting.";
        Self::new(StatusCode::BAD_REQUEST, "", "Not this login", &[text])
    }

    /// An answer to a login that has its answer.
    pub(crate) fn already_used() -> Self {
        let text = "This login already has its answer. You can close this tab.";
        Self::new(StatusCode::GONE, "", "Already used", &[text])
    }

    /// Where it is shown: nothing of the answer is left in the address bar.
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_html(self) -> String {
        self.html
    }

    fn new(status: StatusCode, path: &'static str, title: &str, paragraphs: &[&str]) -> Self {
        let class = if path == "/done" { "done" } else { "failed" };
        let title = escape(title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head>\n\
             <body class=\"{class}\"><main><h1>{title}</h1>\n"
        );
        for paragraph in paragraphs {
            // Writing to a String does not fail.
            let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
        }
        html.push_str("</main></body></html>\n");
        Self { status, path, html }
    }
}

/// An error's words begin small.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use sha2::Digest as _;

    #[test]
    fn the_policy_allows_the_style_as_it_is_sent() {
        let html = Page::success(&[], "your terminal").into_html();
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
        assert!(
            CONTENT_SECURITY_POLICY.contains(&format!("style-src 'sha256-{hash}';")),
            "the style's hash is {hash}"
        );
    }

    #[test]
    fn every_text_is_escaped() {
        let hostile = "\"'><script>alert(1)</script>&amp;\u{0}\n";
        for page in [
            Page::success(&[hostile], hostile),
            Page::failure(hostile, hostile),
            Page::unfinished(hostile),
        ] {
            let html = page.into_html();
            assert!(!html.contains("<script") && !html.contains('\u{0}') && !html.contains("&amp;amp;amp;"));
            assert!(html.contains("&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"));
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_runs() {
        let html = Page::failure("why", "your terminal").into_html();
        for word in ["http:", "https:", "src=", "href=", "url(", "<script", " on", "style="] {
            assert!(!html.contains(word), "{word}");
        }
        assert!(html.contains("You can close this tab"));
    }
}
