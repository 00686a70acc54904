//! Fields of a posted form, with or without a file: several values of a name are kept in order.
//!
//! Invariant: no value is repeated in an error; a form is as large as a body may be, and has at most `MOST`
//! fields.

use std::collections::BTreeMap;

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use crate::web::probes::{Refusal, problem};

/// Largest form, in bytes: the largest kubeconfig, as forms write it, with what surrounds it.
const LARGEST: usize = 1_536 * 1_024;
/// Most fields: every kind is one.
const MOST: usize = 256;

/// See the module.
#[derive(Default)]
pub struct Fields(BTreeMap<String, Vec<String>>);

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fields").field(&self.0.keys()).finish()
    }
}

impl Fields {
    /// The first value of a name, without the blanks around it; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.all(name).first().map(|text| text.trim()).unwrap_or_default()
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn add(&mut self, name: String, value: String) {
        self.0.entry(name).or_default().push(value);
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let Ok(body) = to_bytes(request.into_body(), LARGEST).await else {
            let detail = format!("the form did not arrive, or is larger than {LARGEST} bytes");
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &detail).into());
        };
        if let Ok(boundary) = multer::parse_boundary(&kind) {
            return parts(body, boundary).await;
        }
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(&body).take(MOST) {
            fields.add(name.into_owned(), value.into_owned());
        }
        Ok(fields)
    }
}

async fn parts(body: bytes::Bytes, boundary: String) -> Result<Fields, Refusal> {
    let unread = |_| {
        let detail = "the form could not be read; go back and send it again";
        Refusal::from(problem(StatusCode::BAD_REQUEST, "bad_form", detail))
    };
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut fields = Fields::default();
    for _ in 0..MOST {
        let Some(field) = parts.next_field().await.map_err(unread)? else { break };
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(unread)?;
        fields.add(name, String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(kind: &str, body: &str) -> Fields {
        let request = Request::builder().header(header::CONTENT_TYPE, kind);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Fields::from_request(request, &()).await.unwrap()
    }

    #[tokio::test]
    async fn both_forms_of_a_form_say_the_same() {
        let plain = read("application/x-www-form-urlencoded", "a=+x+y+&kind=A&kind=B").await;
        let parted = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n x y \r\n--b\r\ncontent-disposition: form-data; name=\"kind\"\r\n\r\nA\r\n--b\r\ncontent-disposition: form-data; name=\"kind\"; filename=\"f\"\r\n\r\nB\r\n--b--\r\n";
        let parted = read("multipart/form-data; boundary=b", parted).await;
        for fields in [plain, parted] {
            assert_eq!(fields.text("a"), "x y");
            assert_eq!(fields.all("kind"), ["A", "B"]);
            assert_eq!(fields.text("none"), "");
            assert!(!format!("{fields:?}").contains("x y"));
        }
    }
}
