package login

import (
	"net/http"
	"slices"

	"github.com/tracio-ai/ssogate/idp"
)

// explanation is what a person reads about a code: one sentence, and what to do next.
type explanation struct {
	status int
	says   string
	next   string
	retry  bool // another attempt may well succeed
	choose bool // another account may well succeed
}

// unverified is the word pages show for a SAML answer that could not be verified. Which of the codes it was, and so how far
// a forgery got, is for the audit log.
const unverified = "saml-response"

// shown is the word a page shows for a code.
func shown(code idp.Code) string {
	if slices.Contains(unverifiedCodes(), code) {
		return unverified
	}
	return string(code)
}

// unverifiedCodes are those that pages do not tell apart.
func unverifiedCodes() []idp.Code {
	return []idp.Code{
		idp.CodeSAMLForm, idp.CodeSAMLXML, idp.CodeSAMLShape, idp.CodeSAMLSignature, idp.CodeSAMLSHA1, idp.CodeSAMLKey, idp.CodeSAMLDecrypt, idp.CodeSAMLDisagreement,
	}
}

const askAdmin = "Ask your administrator."

// explain holds the one calm sentence of every code. None says whether an account or a company exists to someone whose
// provider has not vouched for them, and none repeats what a provider wrote.
func explain(code idp.Code) explanation {
	switch code {
	case idp.CodeAccessDenied:
		return explanation{http.StatusForbidden, "Your identity provider did not let you in, or you chose to stop.", "Try again, or ask your administrator whether this application is assigned to you.", true, true}
	case idp.CodeInteraction:
		return explanation{http.StatusForbidden, "Your identity provider needs you to answer a question first.", "Try again.", true, false}
	case idp.CodeUnavailable:
		return explanation{http.StatusServiceUnavailable, "Your identity provider is not answering at the moment.", "Try again in a minute. People who are signed in already are not affected.", true, false}
	case idp.CodeMetadata:
		return explanation{http.StatusForbidden, "Your identity provider's settings cannot be read.", askAdmin, true, false}
	case idp.CodeClient:
		return explanation{http.StatusForbidden, "Your identity provider does not accept this application's settings.", askAdmin, false, false}
	case idp.CodeResponse:
		return explanation{http.StatusForbidden, "Your identity provider's answer could not be understood.", "Try again. If it happens again, ask your administrator.", true, false}
	case idp.CodeIssuer:
		return explanation{http.StatusForbidden, "The answer came from another identity provider than the one you were sent to.", askAdmin, true, false}
	case idp.CodeSignature, idp.CodeAlgorithm:
		return explanation{http.StatusForbidden, "The signature on your identity provider's answer could not be verified.", askAdmin, true, false}
	case idp.CodeAudience:
		return explanation{http.StatusForbidden, "Your identity provider's answer was meant for another application.", askAdmin, false, false}
	case idp.CodeSubject:
		return explanation{http.StatusForbidden, "Your identity provider did not say who you are.", askAdmin, false, false}
	case idp.CodeNonce, idp.CodeAtHash:
		return explanation{http.StatusForbidden, "Your identity provider's answer does not belong to this sign-in.", "Try again. If it happens again, ask your administrator.", true, false}
	case idp.CodeTime:
		return explanation{http.StatusForbidden, "Your identity provider's answer is too old or too new.", "Try again. If it happens again, a clock is wrong: ask your administrator.", true, false}
	case idp.CodeClaims:
		return explanation{http.StatusForbidden, "Your identity provider's answer contradicts itself.", askAdmin, false, false}
	case idp.CodeACR:
		return explanation{http.StatusForbidden, "Your identity provider did not confirm the stronger sign-in that this page needs.", "Try again with your second factor, or ask your administrator.", true, false}
	case idp.CodeUserInfo:
		return explanation{http.StatusForbidden, "Your identity provider did not return your details.", askAdmin, true, false}
	case idp.CodeOrganization:
		return explanation{http.StatusForbidden, "You signed in to another organization than the one this company uses here.", "Try again and choose the right one, or ask your administrator.", true, true}
	case idp.CodeGroupsOverage:
		return explanation{http.StatusForbidden, "You are in more groups than your identity provider can list here.", "Ask your administrator to send only the groups that matter, or roles.", false, false}
	case idp.CodeState:
		return explanation{http.StatusBadRequest, "This sign-in was begun in another browser, or too long ago.", "Try again. If it happens again, check that your browser accepts cookies from this site.", true, false}
	case idp.CodeReplay:
		return explanation{http.StatusBadRequest, "This sign-in was used before.", "Try again.", true, false}
	case idp.CodeConnection:
		return explanation{http.StatusBadRequest, "The sign-in settings changed in the meantime.", "Try again. If it happens again, ask your administrator.", true, false}
	case idp.CodeLoop:
		return explanation{http.StatusBadRequest, "You were signed in several times in a row, and each time the session was lost.", "Check that your browser accepts cookies from this site, that its clock is right, and that the address is the one you were given. Then wait a minute and try again.", true, false}
	case idp.CodeDeprovisioned, idp.CodeInactive:
		return explanation{http.StatusForbidden, "Your access to this application has been turned off.", askAdmin, false, true}
	case idp.CodeAmbiguous, idp.CodeLinked:
		return explanation{http.StatusForbidden, "Your identity could not be matched with one account.", askAdmin, false, true}
	case idp.CodeNotProvisioned:
		return explanation{http.StatusForbidden, "You are not set up for this application yet.", "Ask your administrator to assign it to you.", false, true}
	case idp.CodeSAMLForm, idp.CodeSAMLXML, idp.CodeSAMLShape, idp.CodeSAMLSignature, idp.CodeSAMLSHA1, idp.CodeSAMLKey, idp.CodeSAMLDecrypt, idp.CodeSAMLDisagreement:
		// One sentence for all: which of them it was helps whoever forges answers, and the administrator reads the audit log.
		return explanation{http.StatusForbidden, "Your identity provider's answer could not be verified.", "Try again. If it happens again, ask your administrator.", true, false}
	case idp.CodeSAMLIssuer:
		return explanation{http.StatusForbidden, "The answer came from another identity provider than the one you were sent to.", askAdmin, true, false}
	case idp.CodeSAMLDestination, idp.CodeSAMLRecipient, idp.CodeSAMLAudience:
		return explanation{http.StatusForbidden, "Your identity provider's answer was meant for another application.", askAdmin, true, false}
	case idp.CodeSAMLStatus:
		return explanation{http.StatusForbidden, "Your identity provider did not let you in, or you chose to stop.", "Try again, or ask your administrator whether this application is assigned to you.", true, true}
	case idp.CodeSAMLTime:
		return explanation{http.StatusForbidden, "Your identity provider's answer is too old or too new.", "Try again. If it happens again, a clock is wrong: ask your administrator.", true, false}
	case idp.CodeSAMLInResponseTo:
		return explanation{http.StatusBadRequest, "Your identity provider's answer does not belong to this sign-in.", "Try again. If it happens again, ask your administrator.", true, false}
	case idp.CodeSAMLUnsolicited:
		return explanation{http.StatusBadRequest, "Your identity provider sent you here without being asked.", "Sign in from here instead.", true, false}
	case idp.CodeSAMLAttempt:
		return explanation{http.StatusBadRequest, "Your browser did not keep this sign-in.", "Check that it accepts cookies from this site and that its clock is right, then try again.", true, false}
	case idp.CodeSAMLAuthn:
		return explanation{http.StatusForbidden, "Your identity provider did not confirm the sign-in that this page needs.", "Try again with your second factor, or ask your administrator.", true, false}
	case idp.CodeSAMLNameID:
		return explanation{http.StatusForbidden, "Your identity provider did not say who you are.", askAdmin, false, false}
	case idp.CodeSAMLAttributes:
		return explanation{http.StatusForbidden, "Your identity provider's answer lacks something about you, or contradicts itself.", askAdmin, false, false}
	case idp.CodeSAMLOverage:
		return explanation{http.StatusForbidden, "You are in more groups than your identity provider can list here.", "Ask your administrator to send only the groups that matter, or roles.", false, false}
	case idp.CodeSAMLReplay:
		return explanation{http.StatusBadRequest, "This sign-in was used before.", "Continue to the start page, or try again.", true, false}
	case idp.CodeSAMLBusy:
		return explanation{http.StatusServiceUnavailable, "Many people are signing in at this moment.", "Try again in a few seconds.", true, false}
	case idp.CodeSAMLConfig:
		return explanation{http.StatusForbidden, "Your identity provider's settings cannot be used.", askAdmin, false, false}
	default:
		return explanation{http.StatusForbidden, "Sign-in could not be completed.", "Try again. If it happens again, ask your administrator.", true, false}
	}
}
