//! Build script of every package with a binary or test that links libtorch (`build = "../../crates/llama/rpath.rs"`): bakes in where
//! libtorch lies, and `../lib` beside the program for one that was moved with its libraries; links libtorch's part for GPUs where it
//! has one.

#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=../../crates/llama/rpath.rs");
    if let Ok(directory) = std::env::var("LIBTORCH") {
        let lib = std::path::Path::new(&directory).join("lib");
        let lib = lib.canonicalize().unwrap_or(lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
        // Nothing of ours calls libtorch_cuda: it makes itself known when it is loaded. Unless told so, the linker leaves it out, and
        // libtorch finds no GPU.
        if lib.join("libtorch_cuda.so").exists() {
            println!("cargo:rustc-link-arg=-L{}", lib.display());
            println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
        }
    }
    let macos = std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos");
    let origin = if macos { "@executable_path" } else { "$ORIGIN" };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{origin}/../lib");
}
