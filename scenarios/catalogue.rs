//! The features: those embedded in the program, or a user's own folder; parsed, with the rows of
//! their outlines expanded, and every step known.

use crate::{
    syntax::{Mistake, first_mistake},
    world::World,
};
use cucumber::{
    World as _,
    feature::Ext as _,
    gherkin::{Feature, GherkinEnv, Step, StepType},
};
use include_dir::{Dir, include_dir};
use std::{
    fs,
    path::{Path, PathBuf},
};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/features");

/// A feature that cannot be used: the user's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A folder or file that cannot be read.
    #[error("failed to read the features in {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not Gherkin.
    #[error("{file}:{line}: not Gherkin: {found} where this was expected: {expected}")]
    Syntax {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// The placeholders of an outline and the head of its examples differ.
    #[error("{file}: {reason}")]
    Examples {
        /// Which file.
        file: String,
        /// What differs.
        reason: String,
    },
    /// A step that nothing performs.
    #[error(
        "{file}:{line}: no step says {step:?}{}",
        nearest.as_ref().map_or_else(String::new, |nearest| format!("; the nearest is {nearest:?}"))
    )]
    UndefinedStep {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// The sentence.
        step: String,
        /// A step of the embedded features that is like it.
        nearest: Option<String>,
    },
    /// A sentence that would be passed over, because nothing says that it is a step.
    #[error("{file}:{line}: {text:?} is no step: begin it with Given, When, Then, And or But")]
    MisspeltStep {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// The line.
        text: String,
    },
    /// A step that more than one pattern matches.
    #[error("{file}:{line}: {step:?} can be read in more than one way")]
    AmbiguousStep {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// The sentence.
        step: String,
    },
}

/// The features of the program itself.
pub fn embedded() -> Result<Vec<Feature>, CatalogueError> {
    let mut files: Vec<(String, String)> = EMBEDDED
        .files()
        .filter(|file| file.path().extension().is_some_and(|end| end == "feature"))
        .map(|file| {
            let text = file.contents_utf8().unwrap_or_default().to_owned();
            (format!("features/{}", file.path().display()), text)
        })
        .collect();
    files.sort();
    files.iter().map(|(path, text)| parse(path, text)).collect()
}

/// The features of a folder.
pub fn folder(folder: &Path) -> Result<Vec<Feature>, CatalogueError> {
    let unreadable = |path: &Path, reason: String| {
        let path = path.to_owned();
        CatalogueError::Unreadable { path, reason }
    };
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error.to_string()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "feature"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(unreadable(folder, "no file there ends in .feature".into()));
    }
    paths
        .iter()
        .map(|path| {
            let text =
                fs::read_to_string(path).map_err(|error| unreadable(path, error.to_string()))?;
            parse(&path.display().to_string(), &text)
        })
        .collect()
}

fn parse(path: &str, text: &str) -> Result<Feature, CatalogueError> {
    let mut feature = Feature::parse(text, GherkinEnv::default()).map_err(|error| {
        // The parser tells its position in words only: `Error at LINE:COLUMN: …`.
        let said = error.to_string();
        let reached = said.trim_start_matches("Error at ").split(':').next();
        let reached = reached.and_then(|line| line.parse().ok()).unwrap_or(1);
        let Mistake { line, found, expected } = first_mistake(text, reached);
        CatalogueError::Syntax { file: path.into(), line, found, expected }
    })?;
    feature.path = Some(path.into());
    check_steps(path, &feature)?;
    check_descriptions(path, text, &feature)?;
    feature
        .expand_examples()
        .map_err(|error| CatalogueError::Examples { file: path.into(), reason: error.to_string() })
}

/// Every step must match exactly one pattern, in every row: an undefined one would only be skipped.
fn check_steps(path: &str, feature: &Feature) -> Result<(), CatalogueError> {
    let patterns = World::collection();
    let expanded = feature.clone().expand_examples().map_err(|error| CatalogueError::Examples {
        file: path.into(),
        reason: error.to_string(),
    })?;
    let background = expanded.background.iter().flat_map(|background| &background.steps);
    let scenarios =
        expanded.scenarios.iter().chain(expanded.rules.iter().flat_map(|r| &r.scenarios));
    for step in background.chain(scenarios.flat_map(|scenario| &scenario.steps)) {
        let (file, line, text) = (path.to_owned(), step.position.line, step.value.clone());
        match patterns.find(step) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let nearest = nearest_step(&text);
                return Err(CatalogueError::UndefinedStep { file, line, step: text, nearest });
            }
            Err(_) => return Err(CatalogueError::AmbiguousStep { file, line, step: text }),
        }
    }
    Ok(())
}

/// A misspelt first step ("Wehn …") is a description to the parser, and the scenario would run
/// without it.
fn check_descriptions(path: &str, text: &str, feature: &Feature) -> Result<(), CatalogueError> {
    let patterns = World::collection();
    let scenarios = feature.scenarios.iter().chain(feature.rules.iter().flat_map(|r| &r.scenarios));
    for scenario in scenarios {
        let Some(like) = scenario.steps.first() else { continue };
        let described = scenario.description.as_deref().unwrap_or_default().lines();
        for line in described.map(str::trim) {
            let Some((_, value)) = line.split_once(char::is_whitespace) else { continue };
            let known = [StepType::Given, StepType::When, StepType::Then].into_iter().any(|ty| {
                let step = Step { ty, value: value.trim().to_owned(), ..like.clone() };
                !matches!(patterns.find(&step), Ok(None))
            });
            if known {
                let position = text.lines().position(|other| other.trim() == line);
                let (file, line, text) =
                    (path.to_owned(), position.unwrap_or(0) + 1, line.to_owned());
                return Err(CatalogueError::MisspeltStep { file, line, text });
            }
        }
    }
    Ok(())
}

/// The step of the embedded features that is most like a sentence.
fn nearest_step(text: &str) -> Option<String> {
    let known = EMBEDDED.files().filter_map(|file| file.contents_utf8());
    known
        .flat_map(str::lines)
        .filter_map(|line| {
            let line = line.trim();
            let (keyword, rest) = line.split_once(' ')?;
            ["Given", "When", "Then", "And"].contains(&keyword).then_some(rest)
        })
        .map(|step| (strsim::jaro_winkler(step, text), step))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, step)| step.to_owned())
}
