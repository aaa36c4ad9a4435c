//! What the system tells about a process: CPU time and memory. Linux: proc(5).

/// Ticks of the CPU times in `/proc/<pid>/stat`. `sysconf(_SC_CLK_TCK)` is 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds that a process and those children it has waited for have used, user and system.
///
/// # Panics
/// If there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    running_cpu_seconds(pid).expect("the process runs")
}

/// CPU time in seconds of a process as [`cpu_seconds`] has it, with that of its children which still run.
///
/// # Panics
/// If there is no such process.
pub fn cpu_seconds_of_family(pid: u32) -> f64 {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the process runs");
    // A child that ends meanwhile is in its parent's figure, which is read last.
    let children = listed.split_whitespace().filter_map(|child| child.parse().ok());
    let of_children: f64 = children.filter_map(running_cpu_seconds).sum();
    of_children + cpu_seconds(pid)
}

/// None: it has ended.
fn running_cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; the name is field 2.
    let times = after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok());
    Some(times.sum::<f64>() / TICKS_PER_SECOND)
}

/// Proportional set size in KiB: memory of its own and its share of what it shares.
///
/// # Panics
/// If there is no such process, or it belongs to somebody else.
pub fn pss_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("the roll-up has a Pss");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB")
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_memory_and_its_cpu_time_grows() {
        let pid = std::process::id();
        assert!(super::pss_kib(pid) > 100);
        let before = super::cpu_seconds(pid);
        let grown = (0..).find(|n: &u64| n.is_multiple_of(1_000_000) && super::cpu_seconds(pid) > before);
        assert!(grown.is_some());
    }
}
