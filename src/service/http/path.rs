//! The path that is meant by the one a loader sends.

use http::Uri;
use http::uri::PathAndQuery;

/// `uri` with every run of `/` in its path as one: shim asks for `/boot//grubx64.efi`, and some firmware begins with `//`.
/// None when there is none.
pub(super) fn tidied(uri: &Uri) -> Option<Uri> {
    let (path, query) = (uri.path(), uri.query());
    if !path.contains("//") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let tidy = format!("/{}{end}{query}", parts.join("/"));
    let mut of = uri.clone().into_parts();
    of.path_and_query = Some(tidy.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(of).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_count_once_and_everything_else_stays() {
        for (asked, meant) in [
            ("/boot//grubx64.efi", Some("/boot/grubx64.efi")),
            ("//boot.ipxe?mac=a//b", Some("/boot.ipxe?mac=a//b")),
            ("///", Some("/")),
            ("/a//b//", Some("/a/b/")),
            ("/boot.ipxe?x=//", None),
            ("/", None),
        ] {
            let uri: Uri = asked.parse().expect("a path");
            assert_eq!(tidied(&uri).map(|uri| uri.to_string()).as_deref(), meant, "{asked}");
        }
    }
}
