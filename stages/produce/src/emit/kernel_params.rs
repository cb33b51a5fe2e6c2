//! `kernel_params`: the four parameters.

use scan::Finding;
use scan::rules::kernel_params::Param;

use crate::emit::Output;
use crate::host::Host;
use crate::world::World;

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let mut output = Output::new("kernel_params");
    for value in &world.params {
        let Some(param) = Param::at(value.path) else { continue };
        let mut finding = Finding::new(param.path, param.path, param.severity(&value.current), param.description)
            .with("current", &value.current)
            .with("desired", param.desired);
        if value.current != param.desired {
            finding = finding.with("status", "mismatch");
        }
        output.push(finding, value.mark);
    }
    output
}
