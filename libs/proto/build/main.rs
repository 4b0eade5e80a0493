//! Turns the .proto files into messages, clients, servers and the checks their annotations ask for.

mod emit;
mod names;
mod numbers;
mod patterns;
mod rules;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost_reflect::{DescriptorPool, FileDescriptor};
use protox::Compiler;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One set of .proto files that becomes one module of the crate.
struct Source {
    /// Where the own files lie; all of them are compiled.
    root: PathBuf,
    /// Further roots, only searched for imports.
    imports: Vec<PathBuf>,
    /// Only files below this folder of `root` are compiled.
    prefix: &'static str,
    /// Where the code goes.
    out: PathBuf,
    /// The module that includes the code.
    module: &'static str,
}

#[expect(clippy::print_stdout, reason = "a build script speaks to cargo this way")]
fn main() -> Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let shipped = here.join("../../proto");
    let fixture = here.join("fixture");
    for watched in [&shipped, &fixture] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    compile(&Source {
        root: shipped.clone(),
        imports: Vec::new(),
        prefix: "rapport",
        out: out.clone(),
        module: "crate::generated",
    })?;
    compile(&Source {
        root: fixture,
        imports: vec![shipped],
        prefix: "rapport",
        out: out.join("fixture"),
        module: "crate::fixture",
    })
}

fn compile(source: &Source) -> Result<()> {
    fs::create_dir_all(&source.out)?;
    let documented = compiler(source, true)?;
    let bare = compiler(source, false)?.encode_file_descriptor_set();
    fs::write(source.out.join("descriptors.bin"), &bare)?;

    // The typed descriptor set drops custom options; only the encoded one carries the rules.
    let pool = DescriptorPool::decode(bare.as_slice())?;
    let checks = emit::checks(&pool, source.module, |file| is_checked(source, file))?;
    fs::write(source.out.join("checks.rs"), checks)?;

    let mut files = documented.file_descriptor_set();
    // Nothing but the checks needs the annotations' own types. The other imports stay: prost asks them what
    // it may derive.
    files.file.retain(|file| file.package() != "buf.validate");
    tonic_prost_build::configure()
        .codec_path("crate::codec::Codec")
        .btree_map(".")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .emit_rerun_if_changed(false)
        .out_dir(&source.out)
        .include_file("mod.rs")
        .compile_fds(files)?;
    Ok(())
}

/// Whether the messages of this file get checks: those that this crate makes code for.
fn is_checked(source: &Source, file: &FileDescriptor) -> bool {
    let package = file.package_name();
    package == source.prefix
        || package.starts_with(&format!("{}.", source.prefix))
        || package == "google.type"
}

fn compiler(source: &Source, include_source_info: bool) -> Result<Compiler> {
    let mut roots = vec![source.root.clone()];
    roots.extend(source.imports.iter().cloned());
    let mut compiler = Compiler::new(roots)?;
    compiler.include_imports(true).include_source_info(include_source_info);
    let mut files = Vec::new();
    find_protos(&source.root.join(source.prefix), &mut files)?;
    files.sort();
    for file in files {
        compiler.open_file(file.strip_prefix(&source.root)?)?;
    }
    Ok(compiler)
}

fn find_protos(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
