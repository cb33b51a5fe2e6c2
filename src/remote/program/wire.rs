//! Converts the place of objects to the form of a program's hello, and back.

use std::path::Path;

use contract::backend::{self, Objects, S3};

use crate::remote::place::{Checksums, Place, Scheme, Unusable};

/// The form of `place` in a hello.
pub(in crate::remote) fn objects(place: &Place) -> Objects {
    match &place.scheme {
        Scheme::Program(scheme) if scheme == "s3" => Objects::S3(S3 {
            url: place.url.clone(),
            endpoint: place.endpoint.clone(),
            region: place.region.clone(),
            profile: place.profile.clone(),
            path_style: place.path_style,
            checksums: place.checksums.map(|checksums| match checksums {
                Checksums::Always => backend::Checksums::Always,
                Checksums::WhenRequired => backend::Checksums::WhenRequired,
            }),
        }),
        Scheme::Program(_) => Objects::Url(place.url.clone()),
        // A path that is relative to a project means nothing to a program.
        Scheme::Directory(path) => Objects::Url(format!("file://{}", path.display())),
    }
}

/// The place that a hello means.
pub(in crate::remote) fn place(objects: Objects) -> Result<Place, Unusable> {
    let root = Path::new("/");
    match objects {
        Objects::Url(url) => Place::parse(&url, root),
        Objects::S3(S3 { url, endpoint, region, profile, path_style, checksums }) => {
            let checksums = checksums.map(|checksums| match checksums {
                backend::Checksums::Always => Checksums::Always,
                backend::Checksums::WhenRequired => Checksums::WhenRequired,
            });
            Ok(Place { endpoint, region, profile, path_style, checksums, ..Place::parse(&url, root)? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was() {
        let parse = |url: &str| Place::parse(url, Path::new("/project")).unwrap();
        let bucket = Place {
            endpoint: Some("http://127.0.0.1:1".into()),
            region: Some("us-east-1".into()),
            path_style: Some(true),
            checksums: Some(Checksums::WhenRequired),
            ..parse("s3://bucket/prefix")
        };
        assert_eq!(place(objects(&bucket)).unwrap(), bucket);
        assert_eq!(place(objects(&parse("files:///x"))).unwrap(), parse("files:///x"));
        assert_eq!(place(objects(&parse("state"))).unwrap().scheme, parse("state").scheme);
    }
}
