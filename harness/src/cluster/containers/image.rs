//! The image: built on demand from the docker folder that is embedded in this program.
//!
//! Its tag is a digest of what it is made of, so that a changed launcher or version is never run
//! from an old image, and an unchanged one is never built twice. The host's certificate
//! authorities are left out of the digest: they are needed to build it, not part of what it is.

use super::{Engine, EngineError, KafkaVersion, Progress, Tail};
use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures::StreamExt;
use include_dir::{Dir, include_dir};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
};

static DOCKER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../docker");

/// Where Debian and its relatives keep what the administrator trusts beyond the usual.
const HOST_AUTHORITIES: &str = "/usr/local/share/ca-certificates";

/// Of the host's environment, what a build needs to reach its registries.
const PASSED_THROUGH: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    pub(super) repository: String,
    pub(super) tag: String,
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl Engine {
    /// Makes sure that the image of a version is there; the first build takes minutes.
    pub async fn ensure_image(
        &self,
        version: &KafkaVersion,
        progress: Progress<'_>,
    ) -> Result<ImageName, EngineError> {
        let files = context();
        let image = name(version, &files);
        let _one_at_a_time = self.building.lock().await;
        match self.docker.inspect_image(&image.to_string()).await {
            Ok(_) => return Ok(image),
            Err(error) if super::engine::is_gone(&error) => {}
            Err(error) => return Err(EngineError::request(format!("look for {image}"))(error)),
        }
        progress(&format!("building the image {image} (once, a minute or two)"));
        self.build(&image, version, files, progress).await?;
        Ok(image)
    }

    async fn build(
        &self,
        image: &ImageName,
        version: &KafkaVersion,
        mut files: BTreeMap<String, Vec<u8>>,
        progress: Progress<'_>,
    ) -> Result<(), EngineError> {
        files.extend(host_authorities(Path::new(HOST_AUTHORITIES)));
        let archive = archive(&files).map_err(EngineError::file("docker/"))?;
        let mut arguments: HashMap<String, String> =
            version.build_arguments().into_iter().collect();
        let environment = PASSED_THROUGH.map(|key| (key, std::env::var(key)));
        arguments.extend(environment.into_iter().filter_map(|(k, v)| Some((k.into(), v.ok()?))));
        let options = BuildImageOptionsBuilder::new()
            .t(&image.to_string())
            .buildargs(&arguments)
            .labels(&HashMap::from([("mirrorproof.image", version.number())]))
            // A failed build must not leave its containers behind.
            .rm(true)
            .forcerm(true)
            .build();
        let body = bollard::body_full(Bytes::from(archive));
        let mut events = self.docker.build_image(options, None, Some(body));
        let mut output = Tail::default();
        while let Some(event) = events.next().await {
            let failed =
                |reason, output| EngineError::Build { image: image.to_string(), reason, output };
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(failed(error.to_string(), output)),
            };
            if let Some(detail) = event.error_detail {
                return Err(failed(detail.message.unwrap_or_default(), output));
            }
            if let Some(text) = event.stream.or(event.status) {
                // Of the engine's many lines only the steps say how far it is.
                if text.starts_with("Step ") {
                    progress(text.trim_end());
                }
                output.push(&text);
            }
        }
        Ok(())
    }
}

/// The embedded files by path, without what belongs to a machine or is not part of the image.
fn context() -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Dir<'_>, files: &mut BTreeMap<String, Vec<u8>>) {
        for file in folder.files() {
            let path = file.path().to_string_lossy().replace('\\', "/");
            if !path.ends_with(".crt") && path != "compose.yaml" {
                files.insert(path, file.contents().to_vec());
            }
        }
        folder.dirs().for_each(|folder| collect(folder, files));
    }
    let mut files = BTreeMap::new();
    collect(&DOCKER, &mut files);
    files
}

fn name(version: &KafkaVersion, files: &BTreeMap<String, Vec<u8>>) -> ImageName {
    let mut digest = xxhash_rust::xxh3::Xxh3::new();
    let arguments = version.build_arguments();
    let arguments = arguments.iter().map(|(key, value)| (key, value.as_bytes()));
    // versions.env counts only by what the build is given of it: a new default must not make the
    // other version's image stale.
    let files = files.iter().filter(|(path, _)| *path != "versions.env");
    for (key, value) in files.map(|(path, bytes)| (path, bytes.as_slice())).chain(arguments) {
        // With the lengths, or moving bytes from one to the next would go unseen.
        digest.update(&key.len().to_le_bytes());
        digest.update(key.as_bytes());
        digest.update(&value.len().to_le_bytes());
        digest.update(value);
    }
    ImageName {
        repository: "mirrorproof-kafka".into(),
        tag: format!("{version}-{:016x}", digest.digest()),
    }
}

/// The host's own authorities; a folder that is absent or unreadable has none.
fn host_authorities(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut pending = vec![folder.to_path_buf()];
    let mut found = BTreeMap::new();
    while let Some(folder) = pending.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "crt")
                && let (Some(name), Ok(bytes)) = (path.file_name(), std::fs::read(&path))
            {
                found.insert(format!("ca/{}", name.to_string_lossy()), bytes);
            }
        }
    }
    found
}

fn archive(files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_has_all_that_the_dockerfile_copies() {
        let files = context();
        for path in
            ["Dockerfile", "pom.xml", "fetch-jars", "bin/node", "bin/command", "ca/README.md"]
        {
            assert!(files.contains_key(path), "{path} is not in {:?}", files.keys());
        }
        assert!(files.keys().all(|path| !path.ends_with(".crt")));
    }

    #[test]
    fn the_tag_changes_with_the_version_and_with_any_file() {
        let mut files = context();
        let first = name(&KafkaVersion::scenarios(), &files);
        assert_eq!(first, name(&KafkaVersion::scenarios(), &files));
        assert_ne!(first, name(&KafkaVersion::walkthrough(), &files));
        files.insert("bin/node".into(), b"other".to_vec());
        assert_ne!(first, name(&KafkaVersion::scenarios(), &files));
    }
}
