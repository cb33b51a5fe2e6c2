//! The requirements that an ELF file has of its machine. Nothing of it is executed, and of a large library only the tables are read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use object::elf::{self, FileHeader32, FileHeader64, Machine};
use object::read::elf::{FileHeader, SectionTable};
use object::{Endianness, FileKind, ReadCache, ReadRef};

/// A version of glibc: `2.34`, `2.2.5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(Vec<u32>);

impl FromStr for Glibc {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Glibc, Self::Err> {
        text.split('.').map(str::parse).collect::<Result<_, _>>().map(Glibc)
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// An ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// As `uname -m` calls it.
    pub architecture: String,
    /// The oldest glibc that has every symbol version it asks for; `None`: it asks for none.
    pub glibc: Option<Glibc>,
    /// The newest version of glibc that it defines: of `libc.so.6`, its own.
    pub defines: Option<Glibc>,
    /// The libraries that it is linked with (DT_NEEDED).
    pub needed: Vec<String>,
    /// Where it looks for them, entry by entry.
    pub search: Search,
}

/// Where the loader looks for the libraries of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// DT_RUNPATH: for the libraries of this file alone. The paths of the file that loaded it do not count.
    Runpath(Vec<String>),
    /// DT_RPATH, or nothing: for the libraries of this file and, in turn, for theirs.
    Rpath(Vec<String>),
}

/// Whether the file at `path` is in ELF form.
pub(super) fn is_elf(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    match File::open(path)?.read_exact(&mut magic) {
        Ok(()) => Ok(magic == *b"\x7fELF"),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the file at `path`; `None`: it is no ELF file.
pub(super) fn read(path: &Path) -> io::Result<Option<Elf>> {
    if !is_elf(path)? {
        return Ok(None);
    }
    let data = ReadCache::new(File::open(path)?);
    let read = match FileKind::parse(&data) {
        Ok(FileKind::Elf32) => parse::<FileHeader32<Endianness>, _>(&data),
        Ok(FileKind::Elf64) => parse::<FileHeader64<Endianness>, _>(&data),
        Ok(_) => return Ok(None),
        Err(error) => Err(error),
    };
    read.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

fn parse<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> object::Result<Elf> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let (mut needed, mut runpath, mut rpath) = (Vec::new(), None, Vec::new());
    let table = sections.dynamic_table(endian, data)?;
    for entry in table.iter() {
        let words = match entry.tag {
            elf::DT_NEEDED | elf::DT_RUNPATH | elf::DT_RPATH => text(table.string(entry)?),
            _ => continue,
        };
        match entry.tag {
            elf::DT_NEEDED => needed.push(words),
            elf::DT_RUNPATH => runpath = Some(entries(&words)),
            _ => rpath = entries(&words),
        }
    }
    // The loader passes over an RPATH beside a RUNPATH.
    let search = runpath.map_or(Search::Rpath(rpath), Search::Runpath);
    Ok(Elf {
        architecture: architecture(header.e_machine(endian), header.is_little_endian()),
        glibc: needs(endian, &sections, data)?,
        defines: defines(endian, &sections, data)?,
        needed,
        search,
    })
}

fn needs<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    endian: Endianness,
    sections: &SectionTable<'data, H, R>,
    data: R,
) -> object::Result<Option<Glibc>> {
    let Some((libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    for library in libraries {
        for version in library?.1 {
            newest = newest.max(glibc(&text(version?.name(endian, strings)?)));
        }
    }
    Ok(newest)
}

fn defines<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    endian: Endianness,
    sections: &SectionTable<'data, H, R>,
    data: R,
) -> object::Result<Option<Glibc>> {
    let Some((versions, link)) = sections.gnu_verdef(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    for version in versions {
        // The others are the versions that it follows.
        if let Some(name) = version?.1.next()? {
            newest = newest.max(glibc(&text(name.name(endian, strings)?)));
        }
    }
    Ok(newest)
}

/// The version of glibc behind the name of a symbol version.
fn glibc(name: &str) -> Option<Glibc> {
    match name.strip_prefix("GLIBC_")? {
        // Not a number, but it has a version all the same: glibc reads packed relative relocations since 2.36.
        "ABI_DT_RELR" => Some(Glibc(vec![2, 36])),
        number => number.parse().ok(),
    }
}

fn architecture(machine: Machine, is_little_endian: bool) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_386 => "x86",
        elf::EM_ARM => "arm",
        elf::EM_RISCV => "riscv64",
        elf::EM_S390 => "s390x",
        elf::EM_PPC64 if is_little_endian => "powerpc64le",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_LOONGARCH => "loongarch64",
        other => return format!("ELF machine {}", other.0),
    };
    name.to_owned()
}

fn entries(path: &str) -> Vec<String> {
    path.split(':').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_are_compared_as_numbers() {
        let version = |text: &str| glibc(&format!("GLIBC_{text}"));
        assert!(version("2.9") < version("2.34") && version("2.2.5") < version("2.3"));
        assert!(version("2.35") < version("ABI_DT_RELR") && version("ABI_DT_RELR") < version("2.37"));
        assert_eq!((version("PRIVATE"), glibc("GLIBCXX_3.4.30")), (None, None));
        assert_eq!(version("2.2.5").unwrap().to_string(), "2.2.5");
    }

    #[test]
    fn this_program_is_read_as_the_linker_wrote_it() {
        let own = read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert_eq!(own.architecture, std::env::consts::ARCH);
        assert!(own.needed.iter().any(|name| name.starts_with("libc.so")), "{own:?}");
        assert!(own.glibc.is_some() && own.defines.is_none(), "{own:?}");
    }

    #[test]
    fn a_file_of_another_form_is_none_and_a_torn_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for (bytes, is_some) in [(&b""[..], false), (b"#!/bin/sh\n", false), (b"\x7fELF", true), (&own[..4000], true)] {
            std::fs::write(&file, bytes).unwrap();
            match read(&file) {
                Ok(read) => assert!(!is_some && read.is_none(), "{read:?}"),
                Err(error) => assert!(is_some, "{error}"),
            }
        }
    }
}
