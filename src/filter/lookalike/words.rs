//! Words of everyday English, which names have for many reasons, and words that are put before or behind the name of a
//! company by itself and by those who imitate it.

use super::edits::MIN_CHARS;
use super::letters::push_letters;
use std::collections::HashSet;
use std::sync::LazyLock;

/// A shorter label is the end of too many words: `ing` of `banking`.
const MIN_BEHIND_WORD: usize = 4;

/// In ascending order.
const EVERYDAY: &str = "\
    about above abroad absolute academic academy accent access accident account accounting action active \
    activity actor adapt address advance adventure advice advisor affair affordable after again against \
    agency agenda agent agree agriculture airline airport alarm album alert alive alliance allow alone \
    along alpha always amazing amber amount ample ancient angel anger angle animal answer antique apart \
    apartment appeal apple apples apply appoint approach april apron aquarium arcade archive arena argue \
    arise armor around arrow article artist aside asset assist atlas attic auction audio audit august \
    aunt author autumn avenue award aware awesome baker bakery balance balloon banana banner barber \
    bargain barrel basic basin basket beach beacon beard beauty become bedroom begin behind being belief \
    below bench benefit berry better between beyond bicycle binary birth birthday bishop black blade \
    blanket blend blind block blog blood bloom blossom blue board boating body bonus booking bookkeeping \
    bookstore boost booth booting border boring bottle bottom bound boutique bowling brain branch brand \
    brave bread break breakfast breath brick bride bridge brief bright bring broad broken broker brother \
    brown browse brush budget buffalo build builder building bundle burger business butter button buyer \
    cabin cabinet cable cactus calendar called camera campaign camping campus canal candle candy canvas \
    capital captain carbon career cargo caring carpet carry case cases cash casino casting castle \
    catalog catch cattle cause caution cease cedar ceiling center central centre century chain chair \
    chairs challenge chamber champion chance change channel chapel chapter charge charity charm chart \
    chase chat cheap check cheese chef chemistry cherry chess chest chicken chief child children china \
    choice choose chose church cinema circle circus citizen civil claim class classic clean cleaner \
    cleaning clear clever client climate climb clinic clock close closed cloth clothes clothing cloud \
    club coach coast coffee collar collect college color colour column combine comfort comic coming \
    common community compact company compare complete computer concert concrete condo connect consult \
    contact content contest control cooker cookie cooking cooling copper corner cosmetic cottage cotton \
    council count country couple courage course court cover craft crane crash crazy cream create \
    creative credit crime crisis cross crowd crown cruise culture current custom customer cycle cycling \
    daily dairy dance dancing danger daughter dealer dealing debate decade decide decor deep defend \
    degree delight deliver delivery demand dental dentist deposit depth desert design designer desk \
    detail develop device diamond diary digital dining dinner direct director discount discover disease \
    display distance district divine divorce doctor document dollar domain donate double draft dragon \
    drain drama dream dress drill drink drive driver driving drone during eager eagle early earth easily \
    eastern eating editor education effect effort eight elder election electric element elephant elite \
    email emerald emotion empire employ empty energy engine engineer enjoy enough enter entire entry \
    equal equip error escape essay estate eternal event every exact excel exchange exclusive \
    exercise exist exotic expert explore export express extra fabric factor factory faith false family \
    famous fancy farmer farming fashion father feather feature federal feeling fence festival fiber \
    field fight figure filter final finance financial finder finding finish fire fishing fitness flame \
    flash fleet flight float floor flora florist flower flowers fluid focus folder follow foods football \
    force forest forever forge formal format fortune forum found foundation founder frame france freedom \
    fresh friday friend friends front frozen fruit funding funeral funny furniture future galaxy gallery \
    gamer games gaming garage garden gardens garlic gather gender general genius gentle giant gifts \
    ginger girls giving glass global glory golden gospel gourmet grace grade grand granite grant graph \
    graphic grass great green grill grocery ground group grow growth guard guest guide guitar habit \
    hammer handle handmade happy harbor harmony harvest haven hazard heading health healthy heart \
    heating heaven heavy height hello helmet helping heritage hidden highland highway hiking history \
    hobby holiday hollow honda honest honey honor hope horizon horse hospital hosting hotel hotels house \
    houses housing human humor hunter hunting husband hybrid image imagine impact import impress improve \
    income independent index indoor industry infant inform injury inner input inside insight inspire \
    install instant insurance intelligent interior internet invest investing invite island ivory jacket \
    january jewel jewelry joint journal journey judge juice jungle junior justice keeper keeping kernel \
    kettle keyboard kidney kindle kingdom kitchen kitten knife knowledge label labor ladder lake \
    language laptop large laser later laugh launch laundry lawyer layer leader leading league learn \
    learning leather leave legacy legal legend leisure lemon lemonade lender lending length lesson \
    letter level liberty library license light lighting limit linked lion liquid listen listing little \
    living local locker locksmith lodge logic logistics looking lounge lovely loyal lucky lumber lunch \
    luxury machine magazine magic magnet mailing major maker making mango manor maple marathon marble \
    march margin marine marker market marketing marriage martial mason massage master match material \
    matter maximum meadow meaning measure media medical medicine medium meeting melody member memory \
    mental mentor menu merchant mercury metal method metro middle might military million mindful mineral \
    minute miracle mirror mission mixed mobile model modern moment monday money monitor monkey month \
    moon moral morning mortgage mosaic mother motion motor mountain mountains mouse mouth movie movies \
    moving muscle museum music musical mystery native natural nature nearby needle nerve network never \
    news night noble noise noodle north northern notebook nothing notice novel nurse nursery nutrition \
    object ocean offer office official olive onion online opera opinion optic option oracle orange \
    orchard order organic origin orphan other outdoor outlet outside oxygen packet paint painter \
    painting palace palm panda panel panic paper parade paradise parent parents parking parrot partner \
    party passion passport past pasta pastor patent path patient patio patrol pattern payday payment \
    peace peach peanut pearl pencil penguin people pepper perfect perform perfume period permit person \
    petal phase phone phonetic photo photos phrase physical piano pickup picnic picture piece pilot \
    pineapple pioneer pixel pizza place planet planner planning plant plastic plate platform player \
    playing please plenty plum plumber plumbing poetry point poker police policy polish polite politics \
    popular portal portrait position possible poster potato potatoes potter pottery pound powder power \
    practice prayer premier premium prepare present press pretty prevent price pricing pride prime \
    prince print printer printing privacy private prize problem process produce product profile profit \
    program progress project promise promo proof property protect proud provide public publish pulse \
    pump puppet puppy purchase purchasing pure purple purpose puzzle quality quantum quarter queen quest \
    quick quiet quilt quote rabbit racing radar radio railway rainbow ranch random range rapid rating \
    raven reader reading ready real reality reason rebel recall recipe recipes record recover recovery \
    recycle reform refresh refund region register regular relax release relief remedy remember remote \
    removal remove rental rentals repair repairs repeat report rescue research reserve resort resource \
    respect respond rest restaurant result retail retire retreat return reveal review reviews reward \
    rhythm ribbon richer riding right river roast robot rocket romance roofing rooms roots rose rotary \
    rough round route royal rubber ruby ruling running rural sacred saddle safari safety sailing saint \
    salad sales salmon salon salt sample sand sandbox satellite saturday sauce save saving savings scale \
    scene school schools science scout scrap scrapbook scrapbooking screen script sculpture search \
    season seat second secret section sector secure security select senior sense series serious serve \
    server service services session setting settle seven sewing shade shadow shake shape share shark \
    sharp sheep shelf shell shelter shield shift shine shipping shirt shoes shooting shopping shore \
    short should show shower shuttle sight sign signal silent silk silver simple single sister skating \
    skill skills sleep slice smart smile smith smoke smooth snow soccer social society soft software \
    solar soldier solid solution sound source south southern space spare spark speak special specify \
    speech speed spell spend spice spider spine spirit split sport sports spread spring square staff \
    stage staging stamp stand standard start startup state station status steam steel stick still stock \
    stone storage store stories storm story stove strategy straw stream street strength stress strike \
    string strip stripe strong studio study style subject success sugar suite summer summit sunday sunny \
    sunrise sunset super supply support surface surgery surprise survey sushi swan sweet swift swimming \
    switch symbol system systems table tablet tactic talent talking target taste tattoo taxes teach \
    teacher teaching team technic technology teeth telegraph telescope temple tenant tender tennis \
    terrace test testing texas thank theater theatre theme theory therapy thing things think thinking \
    third this thousand thread three throne thunder ticket tickets tiger tiles timber time times tissue \
    title today toilet token tomato tomorrow tools topic total touch tough tour tourism towel tower \
    towing town toys track trade trader trading tradition traffic trail trailer train trainer training \
    transfer transit transport travel treasure treat treaty tree trend trial tribal tribe trick trinity \
    trivia trophy tropical truck true trust truth tulip tunnel turbo turtle tutor twelve twenty twin \
    twins twister twitch typical ultimate ultra umbrella under union unique united unity universe \
    university until upgrade upper urban urgent useful usual vacation valley value vampire vanilla \
    vector vegan velvet vendor venture venue verse version vessel veteran victory video videos vienna \
    view viking villa village vintage violet virtual vision visit visual vital vitamin vivid voice \
    volume voyage wagon walker walking wallet wanted warden warning warrior watch water wealth weapon \
    weather website wedding weekend weight welcome wellness western whale wheat wheel where whisky white \
    whole wholesale wide widow wild wildlife willow winder window windows wine winner winter wisdom wise \
    wish wizard wolf woman women wonder wooden woodland wool words work worker working workshop world \
    worth would wrapping writer writing yacht yellow yoga young youth zebra zone";

/// Of several languages, in ascending order.
const ADDED: &str = "\
    acceso access accesso account accounts activate activation admin agree alert alerts anmeldung app \
    auth authentication balance bank billing bonus cancel card cdn center centre chat check checkout \
    choose claim claims click client cloud code compte confirm confirmation connect connexion conta \
    contact cuenta customer dashboard delivery destek device docs document download enroll enter error \
    find form fraud gift giftcard group help helpdesk home http https id info install invoice konto \
    kunden locked login logon mail manage member mobile my notice notification office official online \
    order parcel password pay payment payments pin portal prize promo protect protection recovery refund \
    refunds register renew renewal request reset restore return returns review reward rewards safe sales \
    secure security seguridad service services session settings ship shipping shop sicherheit sicurezza \
    signin site soporte ssl sso start statement status store subscription summary suporte support \
    suspended team token track tracking transaction transfer trust unlock update updates upgrade user \
    validation verifica verification verify view vpn wallet warning web www";

static EVERYDAY_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| EVERYDAY.split(' ').collect());
/// The letters of the added words, in ascending order.
static ADDED_LETTERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut words: Vec<_> = ADDED.split(' ').map(letters).collect();
    words.sort_unstable();
    words
});

fn letters(text: &str) -> String {
    let mut letters = String::new();
    push_letters(text, &mut letters);
    letters
}

/// Whether it is a word of everyday language.
pub(super) fn is_everyday(text: &str) -> bool {
    EVERYDAY_WORDS.contains(text)
}

fn is_added(text: &str) -> bool {
    ADDED_LETTERS.binary_search_by(|word| word.as_str().cmp(text)).is_ok()
}

/// Whether letters consist of added words, such as `idlogin`, or of nothing. Longer ones than labels have do not.
pub(super) fn are_added(text: &str) -> bool {
    if text.len() >= u64::BITS as usize {
        return false;
    }
    // Where a word may begin, by bit. There are many ways to split a hostile text, but few places.
    let mut begins = 1u64;
    for begin in 0..text.len() {
        let rest = text.get(begin..).filter(|_| begins >> begin & 1 == 1);
        let words =
            rest.into_iter().flat_map(|rest| ADDED_LETTERS.iter().filter(|word| rest.starts_with(*word)));
        begins = words.fold(begins, |begins, word| begins | 1 << (begin + word.len()));
    }
    begins >> text.len() & 1 == 1
}

/// What is left if an added word before or behind it is omitted, where that may be a short label: `dhl` of
/// `dhltracking`.
pub(super) fn without_added(text: &str) -> impl Iterator<Item = &str> {
    let starts = || text.char_indices().map(|(start, _)| start);
    let before = starts().skip(1).take(MIN_CHARS - 1).filter_map(|start| text.split_at_checked(start));
    let before = before.filter(|(_, word)| is_added(word)).map(|(label, _)| label);
    let behind = (1..MIN_CHARS).zip(starts().rev());
    let behind = behind.filter_map(|(chars, start)| Some((chars, text.split_at_checked(start)?)));
    let is_wanted = |chars, word| (chars >= MIN_BEHIND_WORD || word == "www") && is_added(word);
    before
        .chain(behind.filter(move |(chars, (word, _))| is_wanted(*chars, word)).map(|(_, (_, label))| label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order_and_in_lower_case() {
        for list in [EVERYDAY, ADDED] {
            let words: Vec<_> = list.split(' ').collect();
            assert!(words.is_sorted_by(|one, other| one < other));
            assert!(
                words
                    .iter()
                    .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()) && !word.is_empty())
            );
        }
    }

    #[test]
    fn added_words_are_omitted_around_short_labels() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(without_added(&letters(text)).collect::<Vec<_>>(), expected, "{text}");
        };
        check("dhltracking", &["dhl"]);
        check("myebay", &["ebay"]);
        check("wwwing", &["lng"]);
        check("éaweb", &["ea"]);
        for text in ["banking", "paypallogin", "login", "", "ü", "dhltrackings"] {
            check(text, &[]);
        }
    }

    #[test]
    fn added_words_may_follow_each_other() {
        let are = |text: &str| are_added(&letters(text));
        assert!(["", "id", "idlogin", "accountsupport", "accessonline", "wwwwww"].into_iter().all(are));
        assert!(!["x", "idx", "xid", "loginn", "ü", "idü"].into_iter().any(are));
        assert!(are(&"pay".repeat(21)) && !are(&"pay".repeat(22)) && !are(&"payment".repeat(1000)));
    }
}
