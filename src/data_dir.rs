//! The data directory: every file and folder of the station below it. Nobody else joins names to its path.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the station keeps everything that it writes. `docs/reference/files.md` has the same list for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Used when no other directory is configured.
    pub const DEFAULT: &str = "/var/lib/oxbow";

    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The data directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database: nodes, runs, steps, events, leases.
    pub fn database(&self) -> PathBuf {
        self.0.join("oxbow.db")
    }

    /// The lock that keeps a second station away.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The socket on which a running station answers commands.
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The token for programs that read the bench's state.
    pub fn api_token(&self) -> PathBuf {
        self.0.join("api-token")
    }

    /// The profiles, unless another folder is configured.
    pub fn profiles(&self) -> PathBuf {
        self.0.join("profiles")
    }

    /// The images to install, unless another folder is configured.
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// The station's own copies of checked images, by digest.
    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// The site's quirks.
    pub fn quirks(&self) -> PathBuf {
        self.0.join(Self::QUIRKS)
    }

    /// The site's placeholder serials and UUIDs.
    pub fn placeholders(&self) -> PathBuf {
        self.0.join(Self::PLACEHOLDERS)
    }

    /// The import folder: lists that are put here are imported.
    pub fn import_folder(&self) -> PathBuf {
        self.0.join("import")
    }

    /// Packets of machines, saved for Wireshark.
    pub fn captures(&self) -> PathBuf {
        self.0.join("captures")
    }

    /// Reports that were written from the screen.
    pub fn reports(&self) -> PathBuf {
        self.0.join("reports")
    }

    /// Lists of the bench that were written from the screen.
    pub fn lists(&self) -> PathBuf {
        self.0.join("lists")
    }

    /// Support archives that were written from the screen.
    pub fn support(&self) -> PathBuf {
        self.0.join("support")
    }

    /// The station's log, a file a day.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The nodes' logs.
    pub fn node_logs(&self) -> PathBuf {
        self.0.join("log/nodes")
    }

    /// The index of the nodes' logs.
    pub fn log_index(&self) -> PathBuf {
        self.0.join("log/search.db")
    }

    /// The key that signs certificates of machines, and its public half.
    pub fn seal(&self) -> PathBuf {
        self.0.join("seal")
    }

    /// The station's certificate authority and its own certificates.
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The file of [`Self::quirks`], as messages name it.
    pub const QUIRKS: &str = "quirks.toml";
    /// The file of [`Self::placeholders`], as messages name it.
    pub const PLACEHOLDERS: &str = "placeholders.toml";
}

impl Default for DataDir {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What every method gives. The source is counted, so that none is forgotten here.
    fn paths() -> BTreeSet<PathBuf> {
        let data = DataDir::new("DATA");
        let all = [
            data.database(),
            data.lock(),
            data.control_socket(),
            data.api_token(),
            data.profiles(),
            data.images(),
            data.blobs(),
            data.quirks(),
            data.placeholders(),
            data.import_folder(),
            data.captures(),
            data.reports(),
            data.lists(),
            data.support(),
            data.log(),
            data.node_logs(),
            data.log_index(),
            data.seal(),
            data.tls(),
        ];
        let methods = include_str!("data_dir.rs").matches("(&self) -> PathBuf").count() - 1;
        assert_eq!(all.len(), methods, "a method is missing above");
        all.into()
    }

    /// What the table of files says is in `DATA`.
    fn documented() -> BTreeSet<PathBuf> {
        let table = include_str!("../docs/reference/files.md");
        let rows = table.lines().filter(|line| line.starts_with('|'));
        let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        words.filter(|word| word.starts_with("DATA/")).map(PathBuf::from).collect()
    }

    #[test]
    fn the_table_of_files_has_every_path_and_no_other() {
        let (paths, documented) = (paths(), documented());
        let missing: Vec<_> = paths.iter().filter(|path| !documented.iter().any(|row| row.starts_with(path))).collect();
        assert_eq!(missing, Vec::<&PathBuf>::new(), "not in docs/reference/files.md");
        // Files of a folder are named in the table, and by the one part of the program that has the folder.
        let unknown: Vec<_> = documented.iter().filter(|row| !paths.iter().any(|path| row.starts_with(path))).collect();
        assert_eq!(unknown, Vec::<&PathBuf>::new(), "not a path of DataDir");
    }
}
