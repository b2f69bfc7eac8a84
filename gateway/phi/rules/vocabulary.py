"""The small words that names, places and identifiers are recognised by."""


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, which white space separates."""
    return frozenset(text.split())


def phrase_set(text: str) -> frozenset[str]:
    """The phrases of `text`, which commas separate."""
    return frozenset(phrase.strip() for phrase in text.split(","))


FUNCTION_WORDS = word_set(
    "a an the and or but if of at by for from in into on onto to with within without about after before since "
    "until till via is are was were be been being am has have had do does did will would can could shall should "
    "may might must not no this that these those there here it its he she they we you i me him her them us my "
    "his their our your who whom which what when where why how as than then so also please thanks per uses used "
    "using seen sent went admitted transferred discharged lives works called attends visited referral referred "
    "presents presented presenting near"
)
GENERIC_PLACE_WORDS = word_set(
    "the a an our your this that need needs bad better nice get find want wants go going "
    "closest cheap affordable weekly daily management local nearest nearby community general regional county "
    "city state national public private medical health care home nursing primary urgent emergency outpatient "
    "inpatient acute critical teaching academic rural urban big small new old same other another any each every "
    "hospital clinic center centre system services network group family pain eye ear dental mental behavioral "
    "surgical surgery cancer heart womens women's children's childrens children pediatric veterans va walk-in "
    "specialty cardiology oncology dermatology orthopedic neurology psychiatry rehab rehabilitation skilled "
    "long-term term long short-term respite palliative compounding retail mail-order online high middle "
    "elementary law grad graduate night day summer medicine business trade free busy outside sports cardiac "
    "preferred pulmonary renal vascular thoracic hand foot spine joint bone breast skin vein liver kidney lung "
    "brain vision hearing speech voice swallow balance headache migraine seizure allergy endocrine infectious "
    "disease arthritis obesity weight loss bariatric nutrition hypertension lipid failure device pacemaker "
    "concussion injury burn united occupational employee student minute quick express same-day adult geriatric "
    "senior maternal newborn birthing labor delivery recovery resource transition transitional bridge first "
    "second third last next main referring receiving admitting sending accepting tele telehealth virtual mobile "
    "drive-through international internal intensive step-down physical respiratory radiation nuclear "
    "interventional orthopaedic orthopedics plastic trauma hyperbaric diabetes asthma anticoagulation coumadin "
    "wound infusion memory travel vaccine flu covid prenatal fertility american european royal british canadian "
    "society association board university college school large patients patient sleep stroke tertiary discharge "
    "continue check contact call"
)
FACILITY_ENDS = word_set(
    "hospital clinic hospice pharmacy infirmary sanatorium polyclinic healthcare rehab rehabilitation "
    "dispensary hospitals clinics pediatrics orthopedics dermatology oncology radiology imaging dental "
    "specialists"
)
TITLES = word_set(
    "dr drs doctor doctors mr mrs ms miss messrs mx prof professor rev reverend sr sra srta chaplain officer "
    "sgt judge pastor rabbi dra fr imam deacon capt captain lt detective hon"
)
ROLES = word_set(
    "patient pt name named attending physician provider surgeon therapist counselor psychiatrist psychologist "
    "claimant adjuster requesting ordering referring clinician radiologist cardiologist oncologist neurologist "
    "pathologist anesthesiologist dermatologist nephrologist urologist hospitalist pediatrician midwife "
    "pharmacist dietitian interpreter technician nurse resident intern fellow guardian spouse partner wife "
    "husband mother father mom dad mum son daughter brother sister aunt uncle cousin niece nephew grandmother "
    "grandfather grandson granddaughter grandma grandpa stepmother stepfather fiance fiancee girlfriend "
    "boyfriend friend neighbor caregiver caretaker roommate coworker dear participant client insured subscriber "
    "beneficiary caller student teacher coach boss manager employee supervisor attorney lawyer md contact attn "
    "attention surname forename donor witness victim defendant plaintiff veteran baby twin infant pcp "
    "specialist consultant dentist orthodontist optometrist podiatrist chiropractor paramedic social worker "
    "signed dictated transcribed authored electronically reviewed verified ordered requested hi hello hey dtr "
    "daughters sons kids children brothers sisters siblings parents twins gf bf ex-wife ex-husband stepdad "
    "stepmom granddad gramma mother-in-law father-in-law son-in-law daughter-in-law sister-in-law "
    "brother-in-law stepson stepdaughter stepsister stepbrother godmother godfather foster grandparent "
    "grandparents grandmom nana mama papa mommy daddy auntie hubby sitter rep officer cna rn np lpn lvn sw slp "
    "phlebotomist sonographer surgeons residents signer preceptor referrer prescriber landlord tenant "
    "petitioner respondent decedent informant historian payee guarantor policyholder wife's husband's "
    "translator counsellor coordinator navigator liaison investigator pts hcp poa nok proxy surrogate cosigned "
    "reviewer presenter auntie "
    "cosigner co-signed countersigned entered"
)
"""Words before a name; plain words follow them more often than names do, so a name must look like one."""

LABELS = word_set(
    "director chief chair chairman dean principal sender recipient to from re cc bcc customer user charge agent "
    "sponsor investigator cm ot rt tech assistant anesthesia examiner evaluator nominee holder proctor scribe "
    "author passenger driver applicant present attendees participants team caller by staff crew assigned owner "
    "reporter subject signature witnesses oncall on-call surgeons assistants observers copy informant primary "
    "secondary alternate last first middle so interim shift rounds rounder night days nights evening coverage "
    "covering relief float triage lead requester approver submitter"
)
"""Words before a name only with a colon between."""

LEADS = word_set(
    "by for from to re cc with of is see met saw told asked and between on about regarding called ask tell paged notify"
)
"""Words that often stand before a name, and more often before something else."""

NAMED = word_set("is was by am im i'm named called aka alias nee nicknamed dubbed")
"""Words that may link somebody to a name."""

SPOKEN_WITH = word_set(
    "per paged texted phoned emailed messaged tell told ask asked thank notified saw met invite remind reminded "
    "contacted informed meet attn lvm interviewed reassured visited consoled page"
)
"""Verbs done to people."""

TELLING = word_set(
    "family parents relatives caregiver wife husband daughter son mother father spoke spoken speak speaking "
    "talk talked talking discussed discuss discussing met meet meeting appt appointment visit follow follows "
    "followed f/u call calls called calling message messages msg handoff hand-off report reported signout "
    "sign-out sign signed seen cosigned co-signed countersigned dictated transcribed written read performed "
    "accompanied brought escorted assisted interpreted faxed voicemail vm lvm letter note notes refill refills "
    "page paged consent obtained given consult consulted conferred checked confirmed here lives living resides "
    "married engaged sincerely email emailed text texted word update updated thanks appreciate hear heard "
    "scheduled session joined supervised witnessed verified reviewed authored completed entered ordered "
    "requested prepared submitted administered drawn collected inserted placed behalf years form chart care "
    "cared caring summary labs results lab plan query regarding question referral referred prescribed "
    "prescription rx appeal auth authorization claim excuse story case history"
)
"""With `with`, `by`, `from`, `to` or `for` after them, words before a person more often than not."""

ASKING = word_set("can could should does did do is was has had will would may might when if why how are")
CLOSINGS = word_set(
    "thanks thank you regards sincerely best cheers love respectfully yours truly gratefully warmly warm kind "
    "wishes again advance much thx ty cordially faithfully xo xoxo sent bye"
)
"""Last words of a letter before its writer's name."""

RELATIONS = word_set(
    "wife husband mother father mom dad mum son daughter brother sister aunt uncle cousin niece nephew "
    "grandmother grandfather grandson granddaughter spouse partner friend guardian caregiver neighbor "
    "stepmother stepfather fiance fiancee girlfriend boyfriend proxy poa patient pt self roommate parent dtr "
    "stepson stepdaughter mother-in-law father-in-law son-in-law daughter-in-law sister-in-law brother-in-law "
    "coworker boss landlord grandma grandpa twin sibling sitter hcp nok"
)
CREDENTIALS = word_set(
    "md do rn np pa pa-c phd dnp aprn fnp lpn cna crna dds dmd od pharmd lcsw lmft lpc msw mph psyd dpt pt ot "
    "slp rd cnm mbbs facs facp facog faap esq jr sr ii iii iv lvn bsn arnp aud dc dvm mba lmhc lcpc ccc-slp "
    "licsw lmsw bcba rrt rpt rph cde ccm mha fccp facc crnp dnp-c fnp-c fnp-bc agnp msn otr otr/l rt emt "
    "paramedic ma cma np-c frcs"
)
PERSON_VERBS = word_set(
    "is was has had will would can could did does said says states stated reports reported denies denied called "
    "calls wants wanted asked asks went takes took lives works came feels felt presents presented presenting "
    "needs needed tolerated remains continues agreed refused underwent received requests requested complains "
    "admits endorses understands returned arrived verbalized manages moved notified signed at paged taking "
    "refuses likes follows followed missed mentioned looks seems sees saw thinks believes drinks smokes smoked "
    "sleeps eats walks ambulated tolerates developed passed died stopped started hopes prefers declined "
    "declines fell got gets gave gives just also still and drove"
)
HUMAN_VERBS = word_set(
    "says said denies denied reports reported wants wanted called asks asked agrees agreed refused complains "
    "lives works would verbalized endorses feels felt lost moved married states stated mentioned thinks "
    "believes smokes drinks declines declined tolerated ambulated refuses understands complained laughs seems slept "
    "sleeps came cried cries walked ate eats texted emailed phoned vomited fainted wakes woke hopes wishes missed"
)
"""Verbs that nobody but a person is the subject of in a note."""

EPONYM_HEADS = word_set(
    "disease syndrome sign signs test catheter line lines palsy dementia thyroiditis score scale stage staging "
    "index criteria point phenomenon reflex lymphoma tumor sarcoma esophagus chorea fracture contracture "
    "position maneuver procedure operation repair incision forceps clamp tube drain stain law effect reaction "
    "ulcer cyst node nodes nodule bodies body cells cell anemia purpura encephalopathy psychosis aphasia area "
    "canal duct gland tendon triad tetralogy anomaly malformation ataxia dystrophy neuroma node's grade "
    "classification method formula equation rule rules protocol solution virus fever bacillus ring rings web "
    "loop pouch capsule fissure ligament muscle nerve plexus tremor gait breathing respiration murmur pulse "
    "nystagmus arthropathy arthritis vasculitis granulomatosis cirrhosis colitis carcinoma questionnaire "
    "inventory interview assessment model distribution curve plot estimator coefficient regression guideline "
    "trial study plan vaccine tablet tablets capsules injection insulin coronavirus scan mg mcg ml units u "
    "uptake hold plate nail prosthesis implant stent graft valve filter flap ratio tables agar broth bottle bag "
    "pump mask tubing collar splint brace exercises exercise diet regimen trials registry level levels class "
    "skin type types zone spindle striae shunt block suture trocar needle retractor anchor screw wire cage cuff "
    "balloon basket snare cohort consensus textbook handbook manual nomogram calculator algorithm pathway "
    "bundle initiative style citation referencing format"
)
NOT_NAMES = word_set(
    "january february march april may june july august september october november december monday tuesday "
    "wednesday thursday friday saturday sunday jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu "
    "fri sat sun mrn dob ssn npi dea vin id no phone fax tel cell email address date time age sex gender male "
    "female white black race unit apt suite room rm floor bed street st ave avenue road rd blvd drive lane usa "
    "us uk am pm est pst cst edt pdt portal group account insurance member claim policy medical record number "
    "chief complaint hpi history social family past present plan assessment impression diagnosis findings "
    "technique comparison indication exam vitals labs imaging admission discharge consult radiology nursing "
    "psych home visit school worker works service report reason draft summary summarize translate explain write "
    "please note progress transcribed voicemail device invoice questions vaccine license licence state county "
    "city hospital clinic center centre university college institute health system church diner company "
    "department of and the in on at to for with by from is was a an he she they it we i you his her their my "
    "our your this that yes not i'm i'll i've i'd it's she's he's that's what's who's there's let's don't can't "
    "we're you're they're dear sincerely regards thank thanks hello hi re cc bcc subject mr mrs ms dr miss md "
    "rn do np pa phd jr sr ii iii iv select insert update delete where null true false json sql csv none http "
    "https www com org hl7 pid obr pv1 nk1 msh mother father wife husband son daughter brother sister aunt "
    "uncle partner patient pt provider physician attending comp drs child-pugh child-turcotte-pugh "
    "child-pugh-turcotte salter-harris gustilo-anderson lauge-hansen"
)
MONTHS_AS_NAMES = word_set("jan april may june august jun march")
"""Months that people are called by; `NOT_NAMES` has them as months."""

SPECIES = word_set(
    "coli pylori aureus difficile diff pneumoniae aeruginosa albicans faecalis gondii burgdorferi influenzae "
    "pombe elegans"
)
