//! Everything that the doctor can find, by name: what stays the same of a verdict while its counts and times grow.

/// What is the matter with a machine. Where a name says what was not seen, the step before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// There is no boot program for its architecture.
    NoProgram,
    PoolEmpty,
    /// No address is left, for others use some that were to be offered.
    AddressesInUse,
    /// It comes through a relay agent of a network that is not served.
    OtherNetwork,
    BootpOnly,
    /// It asks and is not answered, for a reason that has no words of its own.
    NotAnswered,
    /// It finds its addresses used by others, and declines them.
    Declined,
    /// It insists on an address that is not its own.
    Insists,
    /// It took the address of another DHCP server.
    OtherServerWon,
    /// It gets an address again and again: as iPXE, and as firmware.
    IpxeBeginsAnew,
    FirmwareBeginsAnew,
    /// It has an address and does not go on: by HTTP Boot, as iPXE, to port 4011, by TFTP.
    HttpBootNotBegun,
    ScriptNotAsked,
    BootServerNotAsked,
    BootServerNotHeard,
    LoaderNotAsked,
    /// It was offered something and takes nothing.
    NobodyGivesAddresses,
    SitesServerSilent,
    OtherServerAnswers,
    OffersNotTaken,
    /// What may go wrong while it fetches its boot program.
    LoaderMissing,
    LoaderOnlyProbed,
    LoaderNotReceived,
    LoaderHalfWay,
    LoaderGivenUp,
    LoaderOnlyProbedByHttp,
    /// It has fetched this one, and that never spoke.
    BiosProgramSilent,
    ShimSilent,
    GrubSilent,
    ProgramSilent,
    /// HTTPS did not come about, or was not even tried.
    Refused,
    /// Its boot program runs, and does not ask for the script.
    ProgramAsksNothing,
    ScriptAgainAndAgain,
    KernelNotAsked,
    BootFileMissing,
    InitramfsNotAsked,
    /// The install system's agent is silent: after DHCP, or after nothing at all.
    AgentSilent,
    SystemSilent,
    /// Somebody else's installer asks for nothing.
    InstallerSilent,
    /// It begins again and again.
    CirclesBeforeScript,
    CirclesBeforeKernel,
    Restarts,
    TwoMachinesOneMac,
    TwoMachinesOneUuid,
    SlowSwitch,
}

impl Finding {
    pub const ALL: [Self; 45] = [
        Self::NoProgram,
        Self::PoolEmpty,
        Self::AddressesInUse,
        Self::OtherNetwork,
        Self::BootpOnly,
        Self::NotAnswered,
        Self::Declined,
        Self::Insists,
        Self::OtherServerWon,
        Self::IpxeBeginsAnew,
        Self::FirmwareBeginsAnew,
        Self::HttpBootNotBegun,
        Self::ScriptNotAsked,
        Self::BootServerNotAsked,
        Self::BootServerNotHeard,
        Self::LoaderNotAsked,
        Self::NobodyGivesAddresses,
        Self::SitesServerSilent,
        Self::OtherServerAnswers,
        Self::OffersNotTaken,
        Self::LoaderMissing,
        Self::LoaderOnlyProbed,
        Self::LoaderNotReceived,
        Self::LoaderHalfWay,
        Self::LoaderGivenUp,
        Self::LoaderOnlyProbedByHttp,
        Self::BiosProgramSilent,
        Self::ShimSilent,
        Self::GrubSilent,
        Self::ProgramSilent,
        Self::Refused,
        Self::ProgramAsksNothing,
        Self::ScriptAgainAndAgain,
        Self::KernelNotAsked,
        Self::BootFileMissing,
        Self::InitramfsNotAsked,
        Self::AgentSilent,
        Self::SystemSilent,
        Self::InstallerSilent,
        Self::CirclesBeforeScript,
        Self::CirclesBeforeKernel,
        Self::Restarts,
        Self::TwoMachinesOneMac,
        Self::TwoMachinesOneUuid,
        Self::SlowSwitch,
    ];
}
